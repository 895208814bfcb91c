import { show } from "./api.js";
import { dialog, input, picture } from "./dom.js";

/** @typedef {{ url: string, name: string, parameters: Record<string, any> | null }} Compared */

/** Two pictures on each other, with a slider that says how much of the first is seen. @param {Compared} a @param {Compared} b */
export async function compare(a, b) {
	const [left, right] = [picture("compare-a"), picture("compare-b")];
	left.alt = `First: ${a.parameters?.prompt || a.name}`;
	right.alt = `Second: ${b.parameters?.prompt || b.name}`;
	const slider = input("compare-slider");
	const cut = () => {
		left.style.clipPath = `inset(0 ${100 - Number(slider.value)}% 0 0)`;
		right.style.clipPath = `inset(0 0 0 ${slider.value}%)`;
	};
	slider.oninput = cut;
	slider.value = "50";
	cut();
	await Promise.all([show(left, a.url), show(right, b.url)]);
	dialog("compare").showModal();
	slider.focus();
}
