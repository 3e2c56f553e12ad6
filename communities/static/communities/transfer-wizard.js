/* The two steps before a hand-over is drafted. Everything works without it, with one click more. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const held = document.getElementById("held");
    if (held && window.django && window.htmx) {
        // select2 tells jQuery alone of a choice
        window.django.jQuery("#id_person").on("change", () => window.htmx.trigger(held, "person-chosen"));
    }
    const form = document.getElementById("receivers-form");
    form?.addEventListener("change", (event) => {
        if (event.target.name === "receivers" && event.target.checked) {
            form.querySelector("input[name=way][value=chosen]").checked = true;
        }
    });
});
