/*
 * dom.js - makes elements.  Names from the server are text nodes or attribute values, never markup.
 */

/* h("p", {class: "note", onclick: f}, "text", child, null): null, undefined and false are left out. */
export function h(tag, attributes, ...children) {
    const element = document.createElement(tag);

    for (const [name, value] of Object.entries(attributes || {})) {
        if (value === null || value === undefined || value === false) continue;
        if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
        else if (name.startsWith("--")) element.style.setProperty(name, value);
        else element.setAttribute(name, value === true ? "" : value);
    }
    append(element, children);
    return element;
}

function append(element, children) {
    for (const child of children.flat(Infinity))
        if (child !== null && child !== undefined && child !== false) element.append(child);
}

/* Replaces what is in the container; the element that has the focus keeps it when its data-key is there again. */
export function fill(container, ...children) {
    const key = container.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;

    container.replaceChildren();
    append(container, children);
    if (key !== undefined)
        for (const element of container.querySelectorAll("[data-key]"))
            if (element.dataset.key === key) element.focus({preventScroll: true});
}

/* Options of a <select>; the choice stays. */
export function setOptions(select, options, chosen) {
    const texts = options.map(([value, text]) => `${value}\n${text}`).join("\n");

    if (select.dataset.texts !== texts) {
        select.dataset.texts = texts;
        fill(
            select,
            options.map(([value, text]) => h("option", {value}, text)),
        );
    }
    select.value = chosen;
}

/* Up, Down, Home and End move the focus among the items of a list. */
export function arrowKeys(list, selector) {
    list.addEventListener("keydown", event => {
        const items = [...list.querySelectorAll(selector)];
        const at = items.indexOf(document.activeElement);
        const to = {ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: items.length - 1}[event.key];

        if (at < 0 || to === undefined) return;
        event.preventDefault();
        items[Math.max(0, Math.min(items.length - 1, to))].focus();
    });
}

/* A table that scrolls sideways in its own box, with the keyboard too. */
export function scrolling(label, table) {
    return h(
        "div",
        {class: "scroll", role: "region", "aria-label": label, tabindex: 0, "data-key": `scroll ${label}`},
        table,
    );
}
