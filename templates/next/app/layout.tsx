import type { ReactNode } from "react";

export const metadata = { title: "Pictures" };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body style={{ font: "16px system-ui, sans-serif", maxWidth: "32rem", margin: "2rem auto" }}>{children}</body>
    </html>
  );
}
