/*
 * welcome.js - what a server without runs says: how to send the first evaluation.
 */
import {h} from "/page/dom.js";
import {keptToken} from "/page/kept.js";

const python = `from safetensors.numpy import save_file
save_file({"pred": probs, "label": labels}, "upload.safetensors")  # float [N,C,H,W], integer [N,H,W]`;

const bearer = () => (keptToken() === null ? "" : ` -H "Authorization: Bearer $MASKMETER_TOKEN"`);

const curl = () => `curl --data-binary @upload.safetensors -H 'Content-Type: application/octet-stream'${bearer()} \\
    '${location.origin}/v1/evaluations?run=first&step=1'`;

export function welcome() {
    return h(
        "div",
        {class: "home card empty"},
        h("h2", null, "Nothing is stored yet"),
        h("p", null, "Send the first evaluation: predictions and labels in one file."),
        code("How to make the file, in Python", python),
        code("How to send it", curl()),
        h("p", null, "It appears here by itself. Or fill this server with two made-up runs:"),
        code("How to fill it with made-up runs", `maskmeter demo --url=${location.origin}`),
    );
}

/* Long lines scroll, with the keyboard too. */
function code(label, text) {
    return h("pre", {tabindex: 0, role: "region", "aria-label": label}, h("code", null, text));
}
