// Answers each request with a picture of the side that it names, as the engine's process does, and with its own processor time so far.
process.on("message", ({ id, args: [side] }) => {
  const data = new Uint8Array(side * side * 3).fill(7);
  const value = { width: side, height: side, channels: 3, data, cpu: process.cpuUsage() };
  process.send({ type: "result", id, value });
});
process.on("disconnect", () => process.exit());
