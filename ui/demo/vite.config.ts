/** The page with the server in memory: `npm run dev`, or `npm run demo && npm run look`. */
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";
import { fileURLToPath } from "node:url";
import { instead } from "../vite.entry.ts";

/** As strict as the server's, so that the pictures show what people get. */
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https:; connect-src 'self'; base-uri 'none'; form-action 'self'";

export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  base: "./",
  plugins: [svelte(), instead("./demo/main.ts")],
  build: { target: "es2022", cssTarget: ["chrome123", "safari17.5", "firefox120"], assetsInlineLimit: 0, cssCodeSplit: false, modulePreload: { polyfill: false }, outDir: "demo/dist", emptyOutDir: true },
  preview: { headers: { "content-security-policy": policy } },
});
