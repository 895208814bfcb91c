"use client";

import { type FormEvent, useState } from "react";

export default function Page() {
  const [prompt, setPrompt] = useState("a red circle on a blue background");
  const [source, setSource] = useState<string>();
  const [failed, setFailed] = useState(false);

  function draw(event: FormEvent) {
    event.preventDefault();
    setFailed(false);
    setSource(`/draw?${new URLSearchParams({ prompt })}`);
  }

  return (
    <main>
      <form onSubmit={draw}>
        <input value={prompt} onChange={({ target }) => setPrompt(target.value)} aria-label="Prompt" size={40} required />
        <button type="submit">Draw</button>
      </form>
      {failed && <p>The server does not draw this.</p>}
      {source && <img key={source} src={source} alt={prompt} width={512} onError={() => setFailed(true)} />}
    </main>
  );
}
