/* Asks the server how many people meet a criterion, and what it does not like about it. */
"use strict";

window.criterionEstimate = window.criterionEstimate || (() => {
    const tree = window.criterionTree;
    const filled = (words, facts) => words.replace(/\{(\w+)\}/g, (all, key) => facts[key] ?? all);

    /* `told({text, errors, count, total, sentence})` is called with every answer that still counts. */
    class Estimate {
        constructor({ url, metrics, words, token, told }) {
            Object.assign(this, { url, metrics, words, token, told });
        }

        async ask(root) {
            this.asking?.abort();
            const criterion = tree.write(root, this.metrics);
            const open = tree.clauses(root).findIndex((item) => !tree.isComplete(item, this.metrics.get(item.metric)));
            const errors = this.wrongIn(root);
            if (errors.length) return this.told({ errors, text: this.words.refused });
            if (open >= 0) return this.told({ errors: [], text: filled(this.words.unfinished, { number: open + 1 }) });
            if (!this.url) return this.told({ errors: [], text: "" });
            const asking = (this.asking = new AbortController());
            try {
                const answer = await fetch(this.url, {
                    method: "POST",
                    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": this.token() },
                    body: JSON.stringify({ criterion }),
                    signal: asking.signal,
                });
                const body = await answer.json().catch(() => ({}));
                if (!asking.signal.aborted) this.heard(answer.status, body, root);
            } catch (error) {
                if (error.name !== "AbortError") this.told({ errors: [], text: this.words.no_answer });
            }
        }

        /* What can be seen without asking: something typed that is no number of the kind it should be. */
        wrongIn(root) {
            const words = { money: this.words.bad_money, percent: this.words.bad_percent };
            return tree.clauses(root).flatMap((item) => tree.wrongParts(item, this.metrics.get(item.metric)).map((part) => ({
                path: `${item.path}.${part}`,
                message: part === "window_days" ? this.words.bad_window : words[this.metrics.get(item.metric).value_type] || this.words.bad_number,
            })));
        }

        heard(status, body, root) {
            const errors = status === 400 ? placed(body) : [];
            if (status === 403) return this.told({ errors, text: "" });
            if (errors.length) return this.told({ errors, text: this.words.refused });
            if (status >= 400) return this.told({ errors, text: body.detail || this.words.no_answer });
            const number = new Intl.NumberFormat(document.documentElement.lang || undefined);
            const facts = { count: number.format(body.count), total: number.format(body.total), ms: number.format(Math.max(1, body.cost_ms)) };
            this.told({ errors, text: filled(this.words.counted, facts), count: body.count, total: body.total, sentence: root.parts.length ? body.text : "" });
        }
    }

    /* The API names the place of an error as attr: criterion.$.all[0].value */
    function placed(body) {
        const found = (body.errors || []).filter((error) => error.attr?.includes("$"));
        return found.map(({ attr, detail }) => ({ path: attr.slice(attr.indexOf("$")), message: detail }));
    }

    return { Estimate, filled };
})();
