/* The composer: variables at the cursor, fields that fit the way of sending, contents from the
   library. Without it everything can still be typed. */
"use strict";

(() => {
    const FIELDS = {
        once: [],
        recurring: ["local", "zone", "starts_on", "ends_on", "interval", "pace", "day_rule", "max_count"],
        festival: ["local", "zone", "starts_on", "ends_on", "festivals", "day_offset", "day_rule", "max_count"],
        member_day: ["local", "zone", "starts_on", "ends_on", "member_day", "day_offset", "day_rule", "max_count"],
        birthday: ["local", "zone", "starts_on", "ends_on", "day_offset"],
        tier_reached: ["local", "zone", "starts_on", "ends_on", "tier"],
        silent: ["local", "zone", "starts_on", "ends_on", "silent_days"],
    };
    const OF_PACE = { WEEKLY: "weekdays", MONTHLY: "month_days", other: "rrule" };

    const field = (form, name) => form.elements[name];
    const lineOf = (form, name) => form.querySelector(`.field-line.field-${name}`);

    function show(form, name, isShown) {
        const line = lineOf(form, name);
        if (line) line.hidden = !isShown;
    }

    function fitTimes(form) {
        const way = field(form, "time_way");
        if (!way) return;
        const shown = new Set(FIELDS[way.value] ?? []);
        if (way.value === "recurring") shown.add(OF_PACE[field(form, "time_pace")?.value] ?? "");
        if (field(form, "time_pace")?.value === "other") shown.delete("interval");
        for (const box of form.querySelectorAll("[name^=time_]")) {
            const name = box.name.slice("time_".length);
            if (name !== "way") show(form, box.name, shown.has(name));
        }
    }

    function fitTarget(form) {
        const isChats = field(form, "target")?.value === "chats";
        show(form, "chats", isChats);
        show(form, "chat_criterion", isChats);
        show(form, "criterion", !isChats);
        for (const chip of form.querySelectorAll("[data-only]")) {
            chip.hidden = chip.dataset.only !== (isChats ? "chats" : "members");
        }
    }

    function offerVariables(form) {
        const body = field(form, "body");
        const chips = document.getElementById("composer-variables");
        if (!body || !chips) return;
        body.after(chips.content.cloneNode(true));
        body.parentElement.addEventListener("click", (event) => {
            const chip = event.target.closest("[data-insert]");
            if (!chip) return;
            body.setRangeText(chip.dataset.insert, body.selectionStart, body.selectionEnd, "end");
            body.focus();
            body.dispatchEvent(new Event("change", { bubbles: true }));
        });
    }

    async function takeContent(form, version) {
        const answer = await fetch(`?fragment=content&version=${encodeURIComponent(version)}`, { headers: { Accept: "application/json" } });
        if (!answer.ok) return;
        const content = await answer.json();
        field(form, "body").value = content.body;
        field(form, "category").value = content.category;
        const attachments = field(form, "attachments");
        attachments.value = content.attachments.length ? JSON.stringify(content.attachments) : "";
        attachments.dispatchEvent(new Event("attachments-set"));
        form.dispatchEvent(new Event("recount"));
    }

    document.addEventListener("DOMContentLoaded", () => {
        const form = document.getElementById("broadcast_form");
        if (!form || !field(form, "body")) return;
        offerVariables(form);
        fitTimes(form);
        fitTarget(form);
        form.addEventListener("change", () => {
            fitTimes(form);
            fitTarget(form);
        });
        // select2 tells jQuery alone of a choice
        window.django?.jQuery("#broadcast_form").on("change", "select", (event) => {
            if (event.target.name === "content_version" && event.target.value) takeContent(form, event.target.value);
            else if (!event.originalEvent) form.dispatchEvent(new Event("recount"));
        });
    });
})();
