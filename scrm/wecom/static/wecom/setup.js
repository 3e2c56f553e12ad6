/* The page that waits for the platform asks every few seconds, and goes on by itself. */
"use strict";

(() => {
    const EVERY = 3000, LONGEST = 30 * 60 * 1000;

    function watch(place) {
        const began = Date.now();
        const timer = setInterval(async () => {
            if (Date.now() - began > LONGEST) return clearInterval(timer);
            if (document.hidden) return undefined;
            try {
                const answer = await fetch(place.dataset.verifiedUrl, { headers: { Accept: "application/json" } });
                if (!answer.ok || !(await answer.json()).verified) return undefined;
            } catch { // the network is away for a moment
                return undefined;
            }
            clearInterval(timer);
            place.textContent = place.dataset.verifiedWords;
            place.classList.replace("setup-waiting", "setup-good");
            return undefined;
        }, EVERY);
    }

    document.querySelectorAll("[data-verified-url]").forEach(watch);
})();
