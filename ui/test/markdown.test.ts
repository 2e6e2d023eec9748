import { describe, expect, test } from "vitest";
import { isWebLink } from "../src/backend/backend";
import { renderMarkdown } from "../src/text/markdown";

const render = (text: string, images = false) => renderMarkdown(text, { images, imageOff: (alt) => `[${alt}]` });

/** What the browser would make of it. */
function tree(text: string, images = false): HTMLElement {
  const root = document.createElement("div");
  root.innerHTML = render(text, images).html;
  return root;
}

describe("nothing in a message runs", () => {
  const canary = "CANARY";
  test.each([
    `<script>${canary}()</script>`,
    `<img src=x onerror=${canary}()>`,
    `<svg onload=${canary}()>`,
    `<iframe srcdoc="<script>${canary}()</script>"></iframe>`,
    `<a href="javascript:${canary}()">x</a>`,
    `<style>@import "//evil.example/${canary}"</style>`,
    `<form action="//evil.example"><button>${canary}</button></form>`,
    `<math><mtext><table><mglyph><style><img src=x onerror=${canary}()>`,
    `text <b onmouseover=${canary}()>b</b>`,
    `> <script>${canary}()</script>`,
    `- <script>\n${canary}()\n</script>`,
  ])("%s is text", (text) => {
    const root = tree(text, true);
    expect(root.querySelector("script, style, iframe, svg, form, button, math, object, embed, link, meta, base, input")).toBeNull();
    for (const element of root.querySelectorAll("*")) {
      for (const { name, value } of element.attributes) {
        expect(name).not.toMatch(/^on|^style$|^id$|^name$|^srcset$|^data-/);
        expect(value).not.toMatch(/^\s*javascript:/i);
      }
    }
    expect(root.textContent).toContain(canary);
  });

  test("HTML is shown as it was written", () => {
    expect(tree("a <b>bold</b> claim").textContent?.trim()).toBe("a <b>bold</b> claim");
    expect(tree("a <b>bold</b> claim").querySelector("b")).toBeNull();
  });
});

describe("links", () => {
  test.each(["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "//evil.example", "/relative", "java&#115;cript:alert(1)", "tocsin:https://x#y"])("%s is no link", (address) => {
    expect(tree(`[x](${address})`).querySelector("a")).toBeNull();
    expect(tree(`[x](<${address}>)`).querySelector("a")).toBeNull();
  });

  test("http and https are, and keep who reads to themselves", () => {
    const link = tree("[x](https://example.org/a?b=c)").querySelector("a");
    expect(link?.getAttribute("href")).toBe("https://example.org/a?b=c");
    expect(link?.getAttribute("rel")).toContain("noreferrer");
    expect(isWebLink("http://example.org")).toBe(true);
    expect(isWebLink(" javascript:alert(1)")).toBe(false);
  });
});

describe("images", () => {
  const text = "![load](https://img.example/load.png)";

  test("are names until asked for", () => {
    const { html, images } = render(text);
    expect(images).toBe(1);
    expect(html).not.toContain("img.example");
    expect(tree(text).textContent).toContain("[load]");
    expect(tree(text).querySelector("img")).toBeNull();
  });

  test("are loaded without a referrer when asked for", () => {
    const image = tree(text, true).querySelector("img");
    expect(image?.getAttribute("src")).toBe("https://img.example/load.png");
    expect(image?.getAttribute("referrerpolicy")).toBe("no-referrer");
  });

  test("only over https, asked for or not", () => {
    for (const address of ["http://img.example/load.png", "data:image/svg+xml;base64,PHN2Zz4=", "file:///x.png", "javascript:x", "/v1/session"]) expect(tree(`![x](${address})`, true).querySelector("img")).toBeNull();
  });
});

test("Markdown is Markdown", () => {
  const root = tree("# Title\n\n**bold** `code`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n- [x] done\n- [ ] open");
  expect(root.querySelector("h1")?.textContent).toBe("Title");
  expect(root.querySelector("strong")?.textContent).toBe("bold");
  expect(root.querySelectorAll("td")).toHaveLength(2);
  expect(root.textContent).toContain("☑ done");
});
