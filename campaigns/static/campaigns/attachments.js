/* Attachments as a list with buttons, on top of the textarea that holds their JSON and is posted.
   What kinds there are and which files can be chosen comes from the server. */
"use strict";

(() => {
    function element(name, attributes = {}, ...children) {
        const made = document.createElement(name);
        for (const [key, setting] of Object.entries(attributes)) {
            if (key.startsWith("on")) made.addEventListener(key.slice(2), setting);
            else if (setting === true) made.setAttribute(key, "");
            else if (setting !== false && setting !== null && setting !== undefined) made.setAttribute(key, setting);
        }
        made.append(...children.filter(Boolean));
        return made;
    }

    class Attachments {
        constructor(field) {
            this.textarea = field.querySelector("textarea");
            this.config = JSON.parse(document.getElementById(field.dataset.config).textContent);
            this.words = this.config.words;
            this.place = element("div", { class: "attachments" });
            this.textarea.hidden = true;
            this.textarea.addEventListener("attachments-set", () => this.read());
            field.append(this.place);
            this.read();
        }

        read() {
            try {
                this.rows = JSON.parse(this.textarea.value.trim() || "[]");
            } catch {
                this.rows = [];
            }
            this.draw();
        }

        /* Everything that changes a row ends here; the form hears of it like of any other field. */
        changed({ redraw = false } = {}) {
            this.textarea.value = this.rows.length ? JSON.stringify(this.rows) : "";
            if (redraw) this.draw();
            for (const heard of ["input", "change"]) this.textarea.dispatchEvent(new Event(heard, { bubbles: true }));
        }

        draw() {
            const rows = this.rows.map((row, at) => this.row(row, at));
            const empty = rows.length ? null : element("p", { class: "composer-soft" }, this.words.empty);
            this.place.replaceChildren(...rows, ...(empty ? [empty] : []), ...(this.adder() ?? []));
        }

        adder() {
            if (this.rows.length >= this.config.most) return null;
            const add = (kind) => {
                this.rows.push({ kind: kind.value });
                this.changed({ redraw: true });
            };
            const buttons = this.config.kinds.map((kind) =>
                element("button", { type: "button", class: "composer-chip", onclick: () => add(kind) }, `${this.words.add}${kind.label}`));
            return [element("div", { class: "composer-chips" }, ...buttons)];
        }

        row(row, at) {
            const kind = this.config.kinds.find((one) => one.value === row.kind);
            if (!kind) return element("p", {}, row.kind);
            const remove = () => {
                this.rows.splice(at, 1);
                this.changed({ redraw: true });
            };
            return element(
                "div",
                { class: "attachment" },
                element("strong", { class: "attachment-kind" }, kind.label),
                element("div", { class: "attachment-fields" }, ...kind.texts.map((text) => this.text(row, text)), this.file(row, kind)),
                element("button", { type: "button", class: "composer-link", onclick: remove }, this.words.remove),
            );
        }

        text(row, text) {
            const typed = (event) => {
                row[text.name] = event.target.value;
                this.changed();
            };
            const box = element("input", { type: "text", class: "composer-input", value: row[text.name] ?? "", required: text.needed, "aria-label": text.label, placeholder: text.label, onchange: typed });
            return box;
        }

        file(row, kind) {
            const offered = this.config.assets.filter((asset) => asset.kind === kind.assetKind);
            const label = kind.file === "asset" ? this.words.file : this.words.picture;
            const none = kind.fileNeeded ? this.words.choose : this.words.none;
            const chosen = row[kind.file] ?? "";
            const picked = (event) => {
                if (event.target.value) row[kind.file] = Number(event.target.value);
                else delete row[kind.file];
                this.changed();
            };
            const choices = [element("option", { value: "" }, none), ...offered.map((asset) =>
                element("option", { value: asset.id, selected: asset.id === chosen }, asset.name))];
            if (!offered.length && kind.fileNeeded) return element("span", { class: "composer-soft" }, this.words.noAssets);
            return element("select", { class: "composer-input", "aria-label": label, onchange: picked }, ...choices);
        }
    }

    document.addEventListener("DOMContentLoaded", () => {
        document.querySelectorAll("[data-attachments]").forEach((field) => new Attachments(field));
    });
})();
