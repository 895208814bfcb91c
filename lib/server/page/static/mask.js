import { button, dialog, element, get, input, picture, say } from "./dom.js";

/** @typedef {{ erase: boolean, size: number, points: [number, number][] } | "invert"} Step */

const canvas = () => get("mask-canvas", HTMLCanvasElement);
/** All that was painted, in its order: taking back is drawing all but the last again. @type {Step[]} */
let steps = [];
/** @type {[number, number]} */
let cursor = [0, 0];
let erasing = false;

/**
 * Lets somebody paint over a picture.
 * @param {string} url
 * @returns {Promise<{ mask: Blob | undefined, feather: number } | undefined>} `mask` is white where the picture is drawn anew, undefined when
 * nothing was painted; undefined altogether when it was closed
 */
export async function paint(url) {
	const shown = picture("mask-picture");
	if (shown.src !== url) {
		steps = [];
		input("feather").value = "0";
		shown.src = url;
	}
	await shown.decode();
	const surface = canvas();
	surface.width = shown.naturalWidth;
	surface.height = shown.naturalHeight;
	cursor = [surface.width / 2, surface.height / 2];
	setErase(false);
	shown.style.width = `${0.6 * innerHeight * (surface.width / surface.height)}px`; // small ones are made large enough to paint on
	dialog("mask").showModal();
	draw();
	element("mask-area").focus();
	return new Promise((resolve) => {
		const done = () => resolve(undefined);
		dialog("mask").addEventListener("close", done, { once: true });
		button("mask-use").onclick = async () => {
			const mask = isEmpty() ? undefined : await blackAndWhite();
			resolve({ mask, feather: Number(input("feather").value) });
			dialog("mask").close();
		};
	});
}

export function wireMask() {
	const surface = canvas();
	/** @type {Extract<Step, object> | undefined} */
	let stroke;
	surface.addEventListener("pointerdown", (event) => {
		if (event.button !== 0) return;
		event.preventDefault();
		element("mask-area").focus();
		surface.setPointerCapture(event.pointerId);
		stroke = begin(at(event));
	});
	surface.addEventListener("pointermove", (event) => {
		cursor = at(event);
		showBrush();
		if (!stroke) return;
		const passed = event.getCoalescedEvents?.() ?? [];
		for (const one of passed.length > 0 ? passed : [event]) stroke.points.push(at(one));
		draw();
	});
	for (const end of ["pointerup", "pointercancel"]) surface.addEventListener(end, () => (stroke = undefined));
	surface.addEventListener("pointerleave", () => (element("mask-brush").hidden = true));
	element("mask-area").addEventListener("keydown", (event) => {
		const far = event.shiftKey ? 4 : 1;
		const step = (brush() / 2) * far;
		const moves = /** @type {Record<string, [number, number]>} */ ({
			ArrowLeft: [-step, 0],
			ArrowRight: [step, 0],
			ArrowUp: [0, -step],
			ArrowDown: [0, step],
		});
		const move = moves[event.key];
		if (move) {
			cursor = [clamp(cursor[0] + move[0], surface.width), clamp(cursor[1] + move[1], surface.height)];
			showBrush();
		} else if (event.key === " ") begin([...cursor]);
		else return;
		event.preventDefault();
	});
	dialog("mask").addEventListener("keydown", (event) => {
		if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey)) return;
		event.preventDefault();
		undo();
	});
	button("erase").onclick = () => setErase(!erasing);
	button("undo").onclick = undo;
	button("invert").onclick = () => {
		steps.push("invert");
		draw();
		say("What is redrawn and what is kept have changed places.");
	};
	input("feather").oninput = draw;
	input("brush").oninput = showBrush;
}

/** @param {number} value @param {number} most */
const clamp = (value, most) => Math.max(0, Math.min(most, value));

/** In pixels of the picture: up to two fifths of its shorter side. */
function brush() {
	const { width, height } = canvas();
	return Math.max(2, (Number(input("brush").value) / 100) * 0.4 * Math.min(width, height));
}

/** @param {[number, number]} point */
function begin(point) {
	const stroke = { erase: erasing, size: brush(), points: [point] };
	steps.push(stroke);
	draw();
	return stroke;
}

/** @param {PointerEvent} event @returns {[number, number]} */
function at({ clientX, clientY }) {
	const surface = canvas();
	const { left, top, width, height } = surface.getBoundingClientRect();
	return [((clientX - left) / width) * surface.width, ((clientY - top) / height) * surface.height];
}

/** @param {boolean} on */
function setErase(on) {
	erasing = on;
	button("erase").ariaPressed = String(on);
}

function undo() {
	steps.pop();
	draw();
	say("Taken back.");
}

function showBrush() {
	const mark = element("mask-brush");
	const surface = canvas();
	const scale = surface.clientWidth / surface.width;
	mark.hidden = false;
	mark.style.width = mark.style.height = `${brush() * scale}px`;
	mark.style.left = `${cursor[0] * scale}px`;
	mark.style.top = `${cursor[1] * scale}px`;
}

/** Paints all steps: what is redrawn has a color, the rest is transparent. */
function draw() {
	const surface = canvas();
	const context = /** @type {CanvasRenderingContext2D} */ (surface.getContext("2d", { willReadFrequently: true }));
	context.clearRect(0, 0, surface.width, surface.height);
	context.strokeStyle = context.fillStyle = "#ff2d78";
	context.lineCap = context.lineJoin = "round";
	for (const step of steps) {
		if (step === "invert") {
			context.globalCompositeOperation = "xor";
			context.fillRect(0, 0, surface.width, surface.height);
			continue;
		}
		context.globalCompositeOperation = step.erase ? "destination-out" : "source-over";
		context.lineWidth = step.size;
		context.beginPath();
		const [first, ...rest] = step.points;
		if (!first) continue;
		context.moveTo(...first);
		for (const point of rest) context.lineTo(...point);
		if (rest.length === 0) context.lineTo(first[0] + 0.01, first[1]);
		context.stroke();
	}
	const scale = surface.clientWidth / surface.width || 1;
	surface.style.filter = Number(input("feather").value) > 0 ? `blur(${(Number(input("feather").value) * scale) / 2}px)` : "";
	button("undo").disabled = steps.length === 0;
}

function pixels() {
	const { width, height } = canvas();
	return /** @type {CanvasRenderingContext2D} */ (canvas().getContext("2d")).getImageData(0, 0, width, height);
}

function isEmpty() {
	return !pixels().data.some((value, index) => index % 4 === 3 && value > 127);
}

/** @returns {Promise<Blob>} */
async function blackAndWhite() {
	const painted = pixels();
	for (let index = 0; index < painted.data.length; index += 4) {
		painted.data.fill((painted.data[index + 3] ?? 0) > 127 ? 255 : 0, index, index + 3);
		painted.data[index + 3] = 255;
	}
	const copy = new OffscreenCanvas(painted.width, painted.height);
	copy.getContext("2d")?.putImageData(painted, 0, 0);
	return copy.convertToBlob({ type: "image/png" });
}
