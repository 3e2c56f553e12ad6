/* Builds a criterion with dropdowns on top of the textarea that holds its JSON and is posted.

   Every [data-criterion-field] becomes a builder, on the page and in dialogs that htmx brings in.
   The words come from the server: the JSON script that the field's data-config names. */
"use strict";

(() => {
    const { criterionTree: tree, criterionChoices: choices } = window;
    const { Estimate, filled } = window.criterionEstimate;
    const PATIENCE_MS = 500;

    function element(name, attributes = {}, ...children) {
        const made = document.createElement(name);
        for (const [key, setting] of Object.entries(attributes)) {
            if (key.startsWith("on")) made.addEventListener(key.slice(2), setting);
            else if (setting === true) made.setAttribute(key, "");
            else if (setting !== false && setting !== null && setting !== undefined) made.setAttribute(key, setting);
        }
        made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
        return made;
    }

    const icon = (name) => element("span", { class: "material-symbols-outlined", "aria-hidden": "true" }, name);

    class Builder {
        constructor(field) {
            this.field = field;
            this.textarea = field.querySelector("textarea");
            this.config = JSON.parse(document.getElementById(field.dataset.config).textContent);
            this.words = this.config.words;
            this.metrics = new Map(this.config.metrics.map((metric) => [metric.name, metric]));
            this.errors = this.config.errors;
            this.explained = new Set(); // the clauses whose definition is shown
            this.sentence = this.config.sentence;
            this.estimate = new Estimate({
                url: this.config.estimate_url,
                metrics: this.metrics,
                words: this.words,
                token: () => field.closest("form")?.querySelector("[name=csrfmiddlewaretoken]")?.value || "",
                told: (answer) => this.heard(answer),
            });
            this.place = element("div", { class: "criterion" });
            this.body = element("div");
            this.count = element("p", { class: "criterion-count", role: "status", "aria-live": "polite" });
            this.told = element("p", { class: "criterion-sentence" });
            this.written = element("button", { type: "button", class: "criterion-link", "aria-expanded": "false", onclick: () => this.showJson() }, "JSON");
            this.place.append(this.body, element("div", { class: "criterion-foot" }, this.told, this.count, this.written));
            this.textarea.addEventListener("change", (event) => event.isTrusted && this.readJson());
            field.append(this.place);
            this.readJson({ first: true });
        }

        // --- between the JSON and the tree ---

        readJson({ first = false } = {}) {
            try {
                this.root = tree.read(JSON.parse(this.textarea.value.trim() || "null"), this.metrics);
            } catch (error) {
                if (!(error instanceof SyntaxError || error instanceof tree.Unreadable)) throw error;
                this.root = null;
            }
            this.field.classList.toggle("is-built", this.root !== null);
            this.place.hidden = this.root === null;
            if (!this.root) return;
            if (!first) this.errors = [];
            this.draw();
            if (first && this.errors.length) this.say(""); else this.ask();
        }

        showJson() {
            const isOpen = this.field.classList.toggle("is-open");
            this.written.setAttribute("aria-expanded", String(isOpen));
            if (isOpen) this.textarea.value = this.textarea.value && JSON.stringify(JSON.parse(this.textarea.value), null, 2);
        }

        /* Every change of the tree ends here. `focus` is the data-key of what gets the focus. */
        changed({ redraw = false, focus = "" } = {}) {
            const json = tree.write(this.root, this.metrics);
            this.textarea.value = this.root.parts.length ? JSON.stringify(json) : "";
            this.textarea.dispatchEvent(new Event("input", { bubbles: true }));
            if (redraw) this.draw(focus);
            this.sentence = "";
            this.say(this.words.counting);
            clearTimeout(this.waiting);
            this.waiting = setTimeout(() => {
                this.textarea.dispatchEvent(new Event("change", { bubbles: true }));
                this.ask();
            }, PATIENCE_MS);
        }

        // --- the live count ---

        ask() {
            this.estimate.ask(this.root);
        }

        heard({ text, errors, sentence = "", count = null, total = 0 }) {
            this.errors = errors;
            this.showErrors();
            this.sentence = sentence;
            this.say(text, { count, total });
        }

        say(text, { count = null, total = 0 } = {}) {
            this.count.textContent = text;
            if (count !== null) this.count.prepend(element("meter", { min: 0, max: Math.max(total, 1), value: count, "aria-hidden": "true" }));
            this.told.textContent = this.sentence;
            this.told.hidden = !this.sentence;
        }

        // --- errors at their clauses ---

        showErrors() {
            for (const item of tree.nodes(this.root)) {
                const box = this.body.querySelector(`[data-node="${item.id}"]`);
                const mine = this.errors.filter((error) => this.nodeOf(error) === item);
                const place = box.querySelector(":scope > .criterion-errors, :scope > .criterion-row > .criterion-errors");
                place.textContent = mine.map((error) => error.message).join(" ");
                place.hidden = !mine.length;
                for (const control of box.querySelectorAll(`[data-key^="${item.id}:"]`)) {
                    const part = control.dataset.part;
                    if (part) control.toggleAttribute("aria-invalid", mine.some((error) => error.path.endsWith(`.${part}`)));
                    if (part && control.hasAttribute("aria-invalid")) control.setAttribute("aria-invalid", "true");
                }
            }
        }

        nodeOf(error) {
            const above = [...tree.nodes(this.root)].filter((item) => item.path && isBelow(error.path, item.path));
            return above.sort((one, other) => other.path.length - one.path.length)[0] || this.root;
        }

        forget(item) {
            this.errors = this.errors.filter((error) => this.nodeOf(error) !== item);
            this.showErrors();
        }

        // --- drawing ---

        draw(focus = document.activeElement?.dataset?.key) {
            const numbers = new Map(tree.clauses(this.root).map((item, at) => [item.id, at + 1]));
            this.body.replaceChildren(this.group(this.root, numbers));
            this.showErrors();
            if (focus) (this.body.querySelector(`[data-key="${focus}"]`) || this.body.querySelector("[data-key]"))?.focus();
        }

        group(item, numbers) {
            const isRoot = item === this.root;
            const parts = item.parts.map((part, at) => element(
                "li",
                {},
                at > 0 && element("span", { class: "criterion-join" }, this.words.joins[item.kind]),
                tree.isGroup(part) ? this.group(part, numbers) : this.clause(part, numbers),
            ));
            return element(
                "div",
                { class: "criterion-group", "data-node": item.id, "data-kind": item.kind, role: "group", "aria-label": this.words.kinds[item.kind] },
                element("div", { class: "criterion-head" }, item.parts.length || !isRoot ? this.kindOf(item) : element("p", { class: "criterion-empty" }, this.config.empty), !isRoot && this.tools(item, this.words.group)),
                element("p", { class: "criterion-errors", hidden: true, id: `criterion-errors-${item.id}` }),
                element("ol", { class: "criterion-parts" }, ...parts),
                this.additions(item),
            );
        }

        kindOf(item) {
            const choose = (event) => { item.kind = event.target.value; this.forget(item); this.changed({ redraw: true, focus: `${item.id}:kind` }); };
            return this.select(item, "kind", this.words.how, Object.entries(this.words.kinds), item.kind, choose);
        }

        additions(item) {
            const depth = tree.depthOfParts(this.root, item);
            const isFull = tree.clauses(this.root).length >= this.config.max_clauses;
            const add = (part, focused) => {
                item.parts.push(part);
                this.changed({ redraw: true, focus: `${focused.id}:metric` });
            };
            const addGroup = () => {
                const inner = tree.clause();
                add(tree.group(item.kind === "all" ? "any" : "all", [inner]), inner);
            };
            const addClause = () => { const part = tree.clause(); add(part, part); };
            return element(
                "div",
                { class: "criterion-additions" },
                this.button(item, "add", "add", this.words.add_clause, addClause, { disabled: isFull || depth > this.config.max_depth }),
                this.button(item, "nest", "account_tree", this.words.add_group, addGroup, { disabled: isFull || depth + 1 > this.config.max_depth }),
                item === this.root && this.removed && this.button(item, "undo", "undo", this.words.undo, () => this.undo()),
            );
        }

        clause(item, numbers) {
            const metric = this.metrics.get(item.metric);
            const number = numbers.get(item.id);
            return element(
                "div",
                { class: "criterion-clause", "data-node": item.id, role: "group", "aria-label": filled(this.words.clause, { number }) },
                element("span", { class: "criterion-number", "aria-hidden": "true" }, String(number)),
                element(
                    "div",
                    { class: "criterion-row" },
                    element(
                        "div",
                        { class: "criterion-fields" },
                        this.metricOf(item),
                        metric?.parameter && this.choice(item, "of", metric),
                        metric && metric.takes_window !== "never" && this.windowOf(item, metric),
                        metric && this.operatorOf(item, metric),
                        metric && this.valueOf(item, metric),
                    ),
                    metric?.definition && element("p", { class: "criterion-help", id: `criterion-help-${item.id}`, hidden: !this.explained.has(item.id) }, metric.definition),
                    element("p", { class: "criterion-errors", hidden: true, id: `criterion-errors-${item.id}` }),
                ),
                this.tools(item, filled(this.words.clause, { number }), metric?.definition),
            );
        }

        metricOf(item) {
            const bySource = Map.groupBy ? Map.groupBy(this.metrics.values(), (metric) => metric.source) : grouped(this.metrics.values());
            const options = [["", this.words.choose_metric], ...[...bySource].map(([source, metrics]) => [source, metrics.map((metric) => [metric.name, metric.label])])];
            if (item.metric && !this.metrics.has(item.metric)) options.push([item.metric, item.metric]);
            return this.select(item, "metric", this.words.metric, options, item.metric, (event) => this.chooseMetric(item, event.target.value));
        }

        chooseMetric(item, name) {
            const before = this.metrics.get(item.metric);
            const metric = this.metrics.get(name);
            Object.assign(item, { metric: name, of: "" });
            if (before?.value_type !== metric?.value_type) item.text = "";
            if (!metric?.operators.includes(item.op)) item.op = metric?.operators[0] || "";
            if (metric?.takes_window === "never") item.days = "";
            if (metric?.takes_window === "required") item.days ||= "30";
            this.forget(item);
            this.changed({ redraw: true, focus: `${item.id}:metric` });
        }

        operatorOf(item, metric) {
            const said = this.words.operators[metric.value_type] || this.words.operators.number;
            const options = metric.operators.map((op) => [op, said[op] || this.words.operators.number[op] || op]);
            return this.select(item, "op", this.words.comparison, options, item.op, (event) => this.edit(item, "op", event.target.value));
        }

        valueOf(item, metric) {
            if (!tree.isTyped(metric)) return this.choice(item, "value", metric);
            const isMoney = metric.value_type === "money";
            const unit = { money: this.words.money_unit, percent: "%" }[metric.value_type] || metric.unit;
            return element(
                "label",
                { class: "criterion-measure" },
                this.input(item, "value", "text", this.words.value, { inputmode: isMoney ? "decimal" : "numeric", size: 6, placeholder: isMoney ? "0.00" : "0" }),
                unit && element("span", {}, unit),
            );
        }

        windowOf(item, metric) {
            const placeholder = metric.takes_window === "required" ? "30" : this.words.any_time;
            return element(
                "label",
                { class: "criterion-measure" },
                this.words.window_before && element("span", {}, this.words.window_before),
                this.input(item, "window_days", "days", this.words.window, { inputmode: "numeric", size: 4, placeholder }),
                element("span", {}, this.words.window_after),
            );
        }

        choice(item, part, metric) {
            const property = part === "of" ? "of" : "text";
            const source = this.config.choices_url + new URLSearchParams({ metric: metric.name, ...(part === "of" ? { part: "of" } : {}) });
            const label = part === "of" ? this.words.parameters[metric.parameter] || this.words.value : metric.label;
            const placeholder = part === "of" ? this.words.parameters_empty[metric.parameter] || "" : this.words.search;
            const [input, list] = choices.combobox({
                source, value: item[property], label, placeholder, words: this.words, chosen: (value) => this.edit(item, property, value),
            });
            this.mark(input, item, part);
            return element("span", { class: "criterion-choice" }, input, list);
        }

        // --- controls ---

        edit(item, property, value) {
            item[property] = value;
            this.removed = null;
            this.body.querySelector("[data-key$=':undo']")?.remove();
            this.forget(item);
            this.changed();
        }

        mark(control, item, part) {
            control.dataset.key = `${item.id}:${part}`;
            control.dataset.part = part;
            control.setAttribute("aria-describedby", `criterion-errors-${item.id} criterion-help-${item.id}`);
            return control;
        }

        input(item, part, property, label, attributes) {
            const typed = (event) => { event.stopPropagation(); this.edit(item, property, event.target.value.trim()); };
            const input = element("input", { type: "text", class: "criterion-input", autocomplete: "off", "aria-label": label, ...attributes, oninput: typed, onchange: (event) => event.stopPropagation() });
            input.value = item[property];
            return this.mark(input, item, part);
        }

        select(item, part, label, options, value, chosen) {
            const option = ([key, words]) => (Array.isArray(words) ? element("optgroup", { label: key }, ...words.map(option)) : element("option", { value: key, selected: key === value }, words));
            const select = element("select", { class: `criterion-input criterion-${part}`, "aria-label": label, onchange: (event) => { event.stopPropagation(); chosen(event); }, oninput: (event) => event.stopPropagation() }, ...options.map(option));
            return this.mark(select, item, part);
        }

        button(item, part, symbol, words, pressed, { disabled = false, isBare = false } = {}) {
            const attributes = { type: "button", class: isBare ? "criterion-tool" : "criterion-add", "data-key": `${item.id}:${part}`, disabled, onclick: pressed };
            if (isBare) Object.assign(attributes, { title: words, "aria-label": words });
            return element("button", attributes, icon(symbol), isBare ? "" : words);
        }

        tools(item, name, definition = "") {
            const explain = (event) => {
                const help = document.getElementById(`criterion-help-${item.id}`);
                help.hidden = !help.hidden;
                this.explained[help.hidden ? "delete" : "add"](item.id);
                event.currentTarget.setAttribute("aria-expanded", String(!help.hidden));
            };
            const move = (step, key) => () => { tree.move(this.root, item, step); this.changed({ redraw: true, focus: `${item.id}:${key}` }); };
            const tool = (key, symbol, words, pressed, disabled) => this.button(item, key, symbol, filled(words, { name }), pressed, { disabled, isBare: true });
            return element(
                "div",
                { class: "criterion-tools" },
                definition && element("button", { type: "button", class: "criterion-tool", title: definition, "aria-label": this.words.explain, "aria-expanded": String(this.explained.has(item.id)), "data-key": `${item.id}:help`, onclick: explain }, icon("help")),
                tool("up", "arrow_upward", this.words.up, move(-1, "up"), !tree.canMove(this.root, item, -1)),
                tool("down", "arrow_downward", this.words.down, move(1, "down"), !tree.canMove(this.root, item, 1)),
                tool("remove", "close", this.words.remove, () => this.remove(item), false),
            );
        }

        remove(item) {
            const parent = tree.parentOf(this.root, item);
            const near = parent.parts[parent.parts.indexOf(item) + 1] || parent.parts[parent.parts.indexOf(item) - 1];
            this.removed = JSON.stringify(tree.write(this.root, this.metrics));
            tree.remove(this.root, item);
            this.errors = [];
            this.changed({ redraw: true, focus: near ? `${near.id}:remove` : `${parent.id}:add` });
        }

        undo() {
            this.root = tree.read(JSON.parse(this.removed), this.metrics);
            this.removed = null;
            this.changed({ redraw: true, focus: `${this.root.id}:add` });
        }
    }

    const isBelow = (path, above) => path === above || (path.startsWith(above) && ".[".includes(path[above.length]));

    function grouped(metrics) {
        const found = new Map();
        for (const metric of metrics) found.set(metric.source, [...(found.get(metric.source) || []), metric]);
        return found;
    }

    function build(within) {
        const fields = within.querySelectorAll?.("[data-criterion-field]:not(.is-ready)") || [];
        for (const field of [...fields, ...(within.matches?.("[data-criterion-field]:not(.is-ready)") ? [within] : [])]) {
            field.classList.add("is-ready");
            new Builder(field);
        }
    }

    build(document);
    if (window.criterionBuilder) return; // a dialog brought this file again
    window.criterionBuilder = { build };
    document.addEventListener("DOMContentLoaded", () => build(document));
    document.addEventListener("htmx:load", (event) => build(event.detail.elt));
})();
