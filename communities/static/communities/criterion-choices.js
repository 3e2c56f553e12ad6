/* A text input that offers choices from the server while one types: a combobox with its listbox. */
"use strict";

window.criterionChoices = window.criterionChoices || (() => {
    const known = new Map(); // source + value -> label
    const answers = new Map(); // source + search -> choices
    let lastList = 0;
    let place = () => {}; // puts the open list below its input again
    addEventListener("scroll", () => place(), { capture: true, passive: true });
    addEventListener("resize", () => place());

    async function ask(source, search) {
        const key = `${source} ${search}`;
        if (!answers.has(key)) {
            const address = new URL(source, location.href);
            address.searchParams.set("search", search);
            const answer = await fetch(address, { headers: { Accept: "application/json" } });
            if (!answer.ok) throw new Error(answer.statusText);
            const read = await answer.json();
            answers.set(key, read.results || read);
        }
        for (const choice of answers.get(key)) known.set(`${source} ${choice.value}`, choice.label);
        return answers.get(key);
    }

    const labelOf = (source, value) => known.get(`${source} ${value}`);

    /* `chosen(value)` is called with the value of a choice, and with "" when the text is no choice. */
    function combobox({ source, value, label, placeholder, words, chosen }) {
        const list = Object.assign(document.createElement("ul"), { id: `criterion-choices-${++lastList}` });
        list.className = "criterion-choices";
        list.setAttribute("role", "listbox");
        list.setAttribute("aria-label", label);
        list.popover = "manual";
        const input = Object.assign(document.createElement("input"), { type: "text", autocomplete: "off", placeholder });
        input.className = "criterion-input criterion-combobox";
        for (const [name, setting] of Object.entries({
            role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list.id, "aria-label": label,
        })) input.setAttribute(name, setting);
        const state = { value, shown: [], active: -1, asked: 0 };
        let waiting = 0;

        const isOpen = () => input.getAttribute("aria-expanded") === "true";

        function show() {
            const text = labelOf(source, state.value) || state.value;
            input.value = text;
            input.title = text;
        }

        function close() {
            if (!isOpen()) return;
            input.setAttribute("aria-expanded", "false");
            input.removeAttribute("aria-activedescendant");
            place = () => {};
            if (list.isConnected) list.hidePopover();
        }

        function open() {
            if (!isOpen()) list.showPopover();
            input.setAttribute("aria-expanded", "true");
            place = beside;
            beside();
        }

        function beside() {
            const box = input.getBoundingClientRect();
            const isLow = innerHeight - box.bottom < 260 && box.top > 260;
            list.style.left = `${Math.max(8, Math.min(box.left, innerWidth - 8 - Math.max(box.width, 240)))}px`;
            list.style.minWidth = `${Math.max(box.width, 240)}px`;
            list.style.top = isLow ? "auto" : `${box.bottom + 4}px`;
            list.style.bottom = isLow ? `${innerHeight - box.top + 4}px` : "auto";
        }

        function activate(at) {
            state.active = at;
            [...list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === at)));
            const item = list.children[at];
            if (item?.id) input.setAttribute("aria-activedescendant", item.id);
            item?.scrollIntoView({ block: "nearest" });
        }

        function offer(choices, note) {
            state.shown = choices;
            list.replaceChildren(...choices.map((choice, at) => {
                const item = Object.assign(document.createElement("li"), { id: `${list.id}-${at}` });
                item.setAttribute("role", "option");
                item.append(Object.assign(document.createElement("span"), { textContent: choice.label }));
                if (choice.label !== choice.value) {
                    item.append(Object.assign(document.createElement("code"), { textContent: choice.value }));
                }
                item.addEventListener("mousedown", (event) => { event.preventDefault(); choose(choice); });
                return item;
            }));
            if (note) list.append(Object.assign(document.createElement("li"), { className: "criterion-note", textContent: note }));
            open();
            activate(choices.findIndex((choice) => choice.value === state.value));
        }

        async function suggest(search) {
            const turn = ++state.asked;
            try {
                const choices = await ask(source, search);
                if (turn === state.asked && document.activeElement === input) offer(choices, choices.length ? "" : words.no_choices);
            } catch {
                if (turn === state.asked && document.activeElement === input) offer([], words.no_answer);
            }
        }

        function choose(choice) {
            clearTimeout(waiting);
            state.asked += 1; // an answer still on its way must not open the list again
            state.value = choice.value;
            show();
            close();
            chosen(choice.value);
        }

        input.addEventListener("focus", () => { input.select(); suggest(""); });
        input.addEventListener("click", () => { if (!isOpen()) suggest(""); });
        input.addEventListener("input", (event) => {
            event.stopPropagation();
            clearTimeout(waiting);
            waiting = setTimeout(suggest, 200, input.value.trim());
        });
        input.addEventListener("change", (event) => event.stopPropagation());
        input.addEventListener("blur", () => {
            const text = input.value.trim();
            const same = state.shown.find((choice) => choice.label === text || choice.value === text);
            close();
            if (text === (labelOf(source, state.value) || state.value)) return;
            if (same) choose(same);
            else { state.value = text; chosen(text); }
        });
        input.addEventListener("keydown", (event) => {
            if (event.key === "Escape" && isOpen()) { event.stopPropagation(); event.preventDefault(); close(); show(); }
            if (event.key === "Enter" && isOpen()) {
                event.preventDefault();
                if (state.shown[state.active]) choose(state.shown[state.active]);
            }
            if (event.key === "ArrowDown" || event.key === "ArrowUp") {
                event.preventDefault();
                if (!isOpen()) { suggest(""); return; }
                const step = event.key === "ArrowDown" ? 1 : -1;
                activate((state.active + step + state.shown.length) % Math.max(state.shown.length, 1));
            }
        });

        show();
        if (value && !labelOf(source, value)) ask(source, value).then(() => { if (document.activeElement !== input) show(); }, () => {});
        return [input, list];
    }

    return { combobox };
})();
