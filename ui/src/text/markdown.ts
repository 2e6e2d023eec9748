/**
 * A message's Markdown as HTML that is safe to show. Whoever may send may write anything, so:
 *
 * - HTML in the text is shown as text;
 * - links are http or https, and a click is handled by the page (`backend.openUrl`), never by the browser;
 * - remote images are names until the person asks for them, since loading one tells its server who reads; then only
 *   over https, as the page's policy says;
 * - the result passes DOMPurify with a short list of elements and attributes, whatever the steps before did.
 */
import DOMPurify from "dompurify";
import { Marked, type Tokens } from "marked";
import { isWebLink } from "../backend/backend";

export interface Rendered {
  html: string;
  /** How many images were left out. */
  images: number;
}

export interface MarkdownOptions {
  images: boolean;
  /** What stands in place of an image that was left out. */
  imageOff: (alt: string) => string;
}

const TAGS = [
  "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img", "li", "ol", "p", "pre", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
];
const ATTRIBUTES = ["href", "title", "src", "alt", "class", "start", "align", "loading", "referrerpolicy", "rel"];

export function renderMarkdown(text: string, { images, imageOff }: MarkdownOptions): Rendered {
  let leftOut = 0;
  const marked = new Marked({
    gfm: true,
    breaks: true,
    async: false,
    renderer: {
      html: ({ text }: Tokens.HTML | Tokens.Tag) => escape(text),
      checkbox: ({ checked }: Tokens.Checkbox) => (checked ? "☑ " : "☐ "),
      link({ href, tokens }: Tokens.Link) {
        const inner = this.parser.parseInline(tokens);
        return isWebLink(href) ? `<a href="${escape(href)}" title="${escape(href)}" rel="noreferrer noopener">${inner}</a>` : inner;
      },
      image({ href, text }: Tokens.Image) {
        if (images && isWebLink(href) && /^https:/i.test(href)) return `<img src="${escape(href)}" alt="${escape(text)}" loading="lazy" referrerpolicy="no-referrer">`;
        leftOut += 1;
        return `<span class="image-off">${escape(imageOff(text === "" ? href : text))}</span>`;
      },
    },
  });
  const html = DOMPurify.sanitize(marked.parse(text, { async: false }), {
    ALLOWED_TAGS: images ? TAGS : TAGS.filter((tag) => tag !== "img"),
    ALLOWED_ATTR: ATTRIBUTES,
    ALLOWED_URI_REGEXP: /^https?:\/\//i,
    // The pattern above holds for whatever is not named here.
    ADD_URI_SAFE_ATTR: ["rel", "referrerpolicy", "loading", "align", "start"],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
  });
  return { html, images: leftOut };
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
