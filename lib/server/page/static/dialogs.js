import { button, dialog, element, input, make } from "./dom.js";

/** Every dialog closes by its ✕, by Escape (the browser's), and by a click beside it. */
export function wireDialogs() {
	for (const one of document.querySelectorAll("dialog")) {
		one.querySelector(".close")?.addEventListener("click", () => one.close());
		one.addEventListener("click", (event) => {
			if (event.target === one && one.id !== "mask" && one.id !== "ask") one.close();
		});
	}
}

/**
 * @param {{ title: string, text: string, yes: string, key?: boolean }} question
 * @returns {Promise<string | undefined>} what was typed (for `key`), or "yes"; undefined for no
 */
export function ask({ title, text, yes, key = false }) {
	const box = dialog("ask");
	element("ask-title").textContent = title;
	element("ask-text").textContent = text;
	button("ask-yes").textContent = yes;
	input("ask-key").hidden = !key;
	input("ask-key").value = "";
	return new Promise((resolve) => {
		let result = /** @type {string | undefined} */ (undefined);
		const accept = () => {
			result = key ? input("ask-key").value.trim() : "yes";
			if (result !== "") box.close();
		};
		button("ask-yes").onclick = accept;
		button("ask-no").onclick = () => box.close();
		input("ask-key").onkeydown = (event) => {
			if (event.key === "Enter") accept();
		};
		box.addEventListener("close", () => resolve(result || undefined), { once: true });
		box.showModal();
		if (key) input("ask-key").focus();
	});
}

/** Fields get a place for what was wrong with them, and a button that tells more where the page has a `data-tip`, with *the term* in it. */
export function wireFields() {
	for (const field of document.querySelectorAll(".field")) {
		const control = field.querySelector("[name]");
		if (!control) continue;
		const error = make("p", { className: "error", id: control.id.replace("f-", "error-") });
		field.append(error);
		control.setAttribute("aria-describedby", `${control.getAttribute("aria-describedby") ?? ""} ${error.id}`.trim());
	}
	for (const label of document.querySelectorAll("[data-tip]")) {
		if (!(label instanceof HTMLElement)) continue;
		const [before = "", term = "", after = ""] = (label.dataset.tip ?? "").split("*");
		const tip = make("p", { popover: "auto" }, before, make("b", { textContent: term }), after);
		const opener = make("button", { type: "button", className: "tip", textContent: "?", label: `About: ${label.textContent?.trim()}` });
		opener.popoverTargetElement = tip;
		label.append(opener);
		label.after(tip);
		tip.addEventListener("toggle", () => {
			const { left, top, bottom } = opener.getBoundingClientRect();
			const { width, height } = tip.getBoundingClientRect();
			tip.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
			tip.style.top = `${bottom + height + 8 < innerHeight ? bottom + 4 : top - height - 4}px`;
		});
	}
}
