/**
 * Two entries out of one template: `index.html` speaks HTTP (the page at `/`), `desktop.html` speaks to the window's
 * process. The strict policy of both (`default-src 'self'`) forbids inline scripts, inline styles and `data:` URLs, so
 * nothing is inlined.
 */
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import { entry } from "./vite.entry.ts";

export default defineConfig({
  base: "./",
  plugins: [svelte(), entry("desktop.html", "./src/entry/desktop.ts")],
  build: {
    target: "es2022",
    // `light-dark()` as it is written: every engine we run on has it.
    cssTarget: ["chrome123", "safari17.5", "firefox120"],
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: { polyfill: false },
    rollupOptions: { input: ["index.html", "desktop.html"] },
  },
  resolve: process.env.VITEST ? { conditions: ["browser"] } : {},
  test: {
    environment: "jsdom",
    include: ["test/**/*.test.ts"],
    // Web Locks, IndexedDB and the like come from each test; one file must not see another's.
    isolate: true,
    // Conditions are waited for with a deadline of 5 s each; a busy machine must not turn that into a failure of its own.
    testTimeout: 30_000,
  },
});
