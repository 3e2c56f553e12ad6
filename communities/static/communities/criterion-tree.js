/* A criterion as a tree that can be edited: reading it from JSON, writing it back, moving its parts.

   A group is {id, kind: "all" | "any" | "none", parts}; a clause is {id, kind: "clause", metric, of,
   op, text, days}. "none" stands for {"not": …}: of one part, or of {"any": […]}. `text` and `days`
   are what stands in the inputs; `path` is where the node stands in the JSON, for errors. */
"use strict";

window.criterionTree = window.criterionTree || (() => {
    const WHOLE = /^\d{1,15}$/;
    const MONEY = /^(\d{1,13})(?:\.(\d{1,2}))?$/;
    const TYPED = new Set(["count", "days", "money", "percent", "rank"]); // the others name something
    let lastId = 0;

    const group = (kind, parts = []) => ({ id: ++lastId, kind, parts });
    const clause = () => ({ id: ++lastId, kind: "clause", metric: "", of: "", op: "", text: "", days: "" });
    const isGroup = (node) => node.kind !== "clause";

    class Unreadable extends Error {}

    function read(raw, metrics) {
        const root = raw === null ? group("all") : node(raw, "$", metrics);
        if (isGroup(root)) return root;
        return Object.assign(group("all", [root]), { path: null });
    }

    function node(raw, path, metrics) {
        if (typeof raw !== "object" || raw === null || Array.isArray(raw)) throw new Unreadable(path);
        const keys = Object.keys(raw);
        if (!keys.length && path === "$") return group("all");
        if (keys.length === 1 && "not" in raw) return none(raw.not, path, metrics);
        for (const kind of ["all", "any"]) {
            if (keys.length === 1 && Array.isArray(raw[kind])) {
                return { ...group(kind, partsOf(raw[kind], `${path}.${kind}`, metrics)), path };
            }
        }
        if (!("metric" in raw) || keys.some((key) => !["metric", "of", "op", "value", "window_days"].includes(key))) {
            throw new Unreadable(path);
        }
        return readClause(raw, path, metrics);
    }

    const partsOf = (list, path, metrics) => list.map((part, at) => node(part, `${path}[${at}]`, metrics));

    function none(raw, path, metrics) {
        const isList = raw && Object.keys(raw).length === 1 && Array.isArray(raw.any) && raw.any.length > 1;
        const parts = isList ? partsOf(raw.any, `${path}.not.any`, metrics) : [node(raw, `${path}.not`, metrics)];
        return { ...group("none", parts), path };
    }

    function readClause(raw, path, metrics) {
        const text = (value) => (value === undefined || value === null ? "" : String(value));
        const read = { ...clause(), path, metric: text(raw.metric), of: text(raw.of), op: text(raw.op) };
        const isMoney = metrics.get(read.metric)?.value_type === "money" && Number.isInteger(raw.value);
        read.text = isMoney ? asMoney(raw.value) : text(raw.value);
        read.days = text(raw.window_days);
        return read;
    }

    function asMoney(minor) {
        const cents = minor % 100;
        return `${Math.floor(minor / 100)}${cents ? `.${String(cents).padStart(2, "0")}` : ""}`;
    }

    /* The JSON of a tree; notes on every node where it stands in it. */
    function write(root, metrics) {
        return root.parts.length ? writeNode(root, "$", metrics) : {};
    }

    function writeNode(item, path, metrics) {
        item.path = path;
        if (!isGroup(item)) return writeClause(item, metrics);
        if (item.kind !== "none") {
            return { [item.kind]: item.parts.map((part, at) => writeNode(part, `${path}.${item.kind}[${at}]`, metrics)) };
        }
        if (item.parts.length === 1) return { not: writeNode(item.parts[0], `${path}.not`, metrics) };
        return { not: { any: item.parts.map((part, at) => writeNode(part, `${path}.not.any[${at}]`, metrics)) } };
    }

    function writeClause(item, metrics) {
        const metric = metrics.get(item.metric);
        const written = { metric: item.metric };
        if (item.of) written.of = item.of;
        written.op = item.op;
        written.value = valueOf(item, metric);
        if (item.days !== "") written.window_days = WHOLE.test(item.days) ? Number(item.days) : item.days;
        return written;
    }

    /* What was typed as the criterion wants it; what is no number is left to be refused. */
    function valueOf(item, metric) {
        if (!metric || !isTyped(metric)) return item.text;
        if (metric.value_type === "money") {
            const found = MONEY.exec(item.text);
            return found ? Number(found[1] + (found[2] || "").padEnd(2, "0")) : item.text;
        }
        return WHOLE.test(item.text) ? Number(item.text) : item.text;
    }

    function isComplete(item, metric) {
        return Boolean(metric && item.op && item.text !== "" && (metric.takes_window !== "required" || item.days));
    }

    const isTyped = (metric) => TYPED.has(metric.value_type);

    /* Which of the typed parts of a clause are no such number. */
    function wrongParts(item, metric) {
        const wrong = [];
        if (metric && isTyped(metric) && item.text !== "") {
            const value = valueOf(item, metric);
            if (typeof value !== "number" || (metric.value_type === "percent" && value > 100)) wrong.push("value");
        }
        if (item.days !== "" && !(WHOLE.test(item.days) && item.days >= 1 && item.days <= 3660)) wrong.push("window_days");
        return wrong;
    }

    function* nodes(root) {
        yield root;
        for (const part of root.parts || []) yield* nodes(part);
    }

    const clauses = (root) => [...nodes(root)].filter((item) => !isGroup(item));
    const parentOf = (root, item) => [...nodes(root)].find((one) => one.parts?.includes(item));

    function remove(root, item) {
        const parent = parentOf(root, item);
        parent.parts.splice(parent.parts.indexOf(item), 1);
        if (!parent.parts.length && parent !== root) remove(root, parent);
    }

    /* One step up or down as it reads: past a neighbour, a clause into a group, or out of its own. */
    function move(root, item, step) {
        const parent = parentOf(root, item);
        const at = parent.parts.indexOf(item);
        const neighbour = parent.parts[at + step];
        if (neighbour && isGroup(neighbour) && !isGroup(item)) {
            parent.parts.splice(at, 1);
            neighbour.parts.splice(step < 0 ? neighbour.parts.length : 0, 0, item);
            if (!parent.parts.length && parent !== root) remove(root, parent);
        } else if (neighbour) {
            parent.parts.splice(at, 1);
            parent.parts.splice(at + step, 0, item);
        } else if (parent !== root) {
            const above = parentOf(root, parent);
            parent.parts.splice(at, 1);
            above.parts.splice(above.parts.indexOf(parent) + (step < 0 ? 0 : 1), 0, item);
            if (!parent.parts.length) remove(root, parent);
        }
    }

    function canMove(root, item, step) {
        const parent = parentOf(root, item);
        return parent !== root || Boolean(parent.parts[parent.parts.indexOf(item) + step]);
    }

    /* At which depth of the JSON the parts of a group stand; {"not": {"any": …}} takes two. */
    function depthOfParts(root, item) {
        const parent = parentOf(root, item);
        const own = parent ? depthOfParts(root, parent) : 1;
        return own + (item.kind === "none" && item.parts.length > 1 ? 2 : 1);
    }

    return { Unreadable, canMove, clause, clauses, depthOfParts, group, isComplete, isGroup, isTyped, move, nodes, parentOf, read, remove, write, wrongParts };
})();
