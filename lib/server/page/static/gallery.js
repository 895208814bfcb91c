import { call, show } from "./api.js";
import { button, element, input, make } from "./dom.js";
import { openViewer } from "./viewer.js";

const page = 60;
/** Those that are in the list, newest first. @type {Picture[]} */
export let pictures = [];
/** @type {string | undefined} */
let next;
let total = 0;
let query = "";
let turn = 0;
let loading = false;
export const shelf = { kind: "memory", deletes: false };
/** @type {(total: number) => void} */
let onCount = () => {};

/** @param {(total: number) => void} count */
export function wireGallery(count) {
	onCount = count;
	let timer = 0;
	input("search").oninput = () => {
		clearTimeout(timer);
		timer = window.setTimeout(() => {
			query = input("search").value.trim();
			void loadGallery();
		}, 250);
	};
	button("show-more").onclick = () => void more();
	new IntersectionObserver((entries) => entries.some(({ isIntersecting }) => isIntersecting) && void more(), {
		rootMargin: "600px",
	}).observe(button("show-more"));
}

/** @param {string | undefined} after */
async function fetchPage(after) {
	const search = new URLSearchParams({ limit: String(page), ...(query && { q: query }), ...(after && { after }) });
	return call(`v1/gallery?${search}`);
}

/** From the beginning. New pictures join those that are shown, and the list ends where the first page does, so that it does not grow for ever. */
export async function loadGallery() {
	const mine = ++turn;
	const answer = await fetchPage(undefined).catch(() => undefined);
	if (!answer || mine !== turn) return;
	[pictures, next, total] = [answer.pictures, answer.next, answer.total];
	Object.assign(shelf, { kind: answer.kind, deletes: answer.deletes });
	const known = new Map([...element("pictures").children].map((item) => [/** @type {HTMLElement} */ (item).dataset.key, item]));
	element("pictures").replaceChildren(...pictures.map((one) => known.get(keyOf(one)) ?? itemOf(one)));
	tell();
}

async function more() {
	if (!next || loading) return;
	loading = true;
	const mine = turn;
	const answer = await fetchPage(next).catch(() => undefined);
	loading = false;
	if (!answer || mine !== turn) return;
	pictures.push(...answer.pictures);
	[next, total] = [answer.next, answer.total];
	element("pictures").append(...answer.pictures.map(itemOf));
	tell();
}

/** The picture beside one, and the next page when it is reached. @param {Picture} one @param {number} by */
export async function neighbor(one, by) {
	const at = pictures.findIndex(({ name }) => name === one.name);
	if (at + by >= pictures.length) await more();
	return at < 0 ? undefined : pictures[at + by];
}

function tell() {
	button("show-more").hidden = !next;
	const where = shelf.kind === "memory" ? " They are kept for a while only; --output-dir keeps them." : "";
	const found = total === 0 ? "Nothing was found." : total === 1 ? "1 picture." : `${total} pictures.`;
	element("gallery-note").textContent = `${found}${query ? "" : where}`;
	element("gallery").hidden = total === 0 && !query;
	if (!query) onCount(total);
}

/** @param {Picture} one */
const keyOf = ({ name, time }) => `${name} ${time}`;

/** @param {Picture} one */
function itemOf(one) {
	const text = one.parameters?.prompt || one.name;
	const image = make("img", { alt: text, loading: "lazy", decoding: "async" });
	show(image, one.thumbnail).catch(() => {
		image.alt = `${text} (cannot be shown)`;
	});
	const item = make("li", {}, make("button", { type: "button", title: text, onclick: () => openViewer(one) }, image));
	item.dataset.key = keyOf(one);
	return item;
}
