/* A button with data-copy puts that text on the clipboard and says so for a moment. */
"use strict";

(() => {
    if (window.copiesLinks) return;
    window.copiesLinks = true;

    async function copy(text) {
        try {
            await navigator.clipboard.writeText(text);
        } catch { // a page without https has no clipboard of its own
            const field = Object.assign(document.createElement("textarea"), { value: text });
            document.body.append(field);
            field.select();
            document.execCommand("copy");
            field.remove();
        }
    }

    document.addEventListener("click", async (event) => {
        const button = event.target.closest?.("[data-copy]");
        if (!button) return;
        event.preventDefault();
        const words = button.dataset.words || (button.dataset.words = button.textContent);
        await copy(button.dataset.copy);
        button.textContent = button.dataset.copied;
        setTimeout(() => { button.textContent = words; }, 1500);
    });
})();
