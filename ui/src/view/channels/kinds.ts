/**
 * What each kind of channel is made of, in the order in which a person fills it in. Labels and the places in the
 * platform's console are in the locale files: `channels.field.<name>`, `channels.where.<slug>.<name>`.
 */
import type { ChannelKind, ChannelSettings, ChannelView } from "../../protocol";
import { known, type Key } from "../../text/i18n.svelte";

export type Slug = "wechat" | "wecom" | "robot" | "webhook";

export interface Field {
  name: string;
  required?: true;
  number?: true;
  pattern?: string;
  /** What it may be; the first is what it is when nothing is said. */
  options?: readonly string[];
}
export interface KindParts {
  slug: Slug;
  fields: readonly Field[];
  /** For networks that need it; out of the way. */
  advanced: readonly Field[];
  /** The secret without which nothing is sent. */
  secret: string;
  /** Steps at the platform before anything is typed here. */
  steps: number;
  /** Whether a delivery may be told apart by person. */
  group: boolean;
}

const network: readonly Field[] = [{ name: "base_url" }, { name: "proxy" }, { name: "proxy_user" }];

export const kinds: Record<ChannelKind, KindParts> = {
  wechat: {
    slug: "wechat",
    fields: [{ name: "app_id", required: true, pattern: "wx[0-9a-f]{16}" }],
    advanced: [...network, { name: "token_mode", options: ["stable", "classic"] }],
    secret: "secret",
    steps: 4,
    group: false,
  },
  wecom: {
    slug: "wecom",
    fields: [
      { name: "corp_id", required: true },
      { name: "agent_id", required: true, number: true, pattern: "[0-9]+" },
    ],
    advanced: network,
    secret: "secret",
    steps: 4,
    group: false,
  },
  "wecom-robot": {
    slug: "robot",
    fields: [{ name: "style", options: ["markdown", "markdown_v2", "text", "card", "news"] }],
    advanced: network,
    secret: "key",
    steps: 3,
    group: true,
  },
  webhook: {
    slug: "webhook",
    fields: [{ name: "url", required: true, pattern: "https?://.+" }],
    advanced: [{ name: "proxy" }, { name: "proxy_user" }],
    secret: "key",
    steps: 3,
    group: true,
  },
};

/** The name of a field or secret. What a webhook signs with is another thing than a robot's address. */
export function label(slug: Slug, part: string): Key {
  const own = `channels.field.${slug}_${part}`;
  return known(own) ? own : (`channels.field.${part}` as Key);
}

/** A secret that both sides choose themselves: 256 random bits, as Standard Webhooks writes them. */
export function newKey(): string {
  return `whsec_${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))}`;
}

/** What is sent to change a channel: everything else stays as it is. */
export function changed({ kind, display_name, enabled, config }: ChannelView, change: Partial<ChannelSettings>): ChannelSettings {
  return { kind, display_name, enabled, config, ...change };
}

/** A config with these words put in; empty ones are left to their default. */
export function written(config: Record<string, unknown>, fields: readonly Field[], words: Record<string, string>): Record<string, unknown> {
  const after = { ...config };
  for (const { name, number } of fields) {
    const word = (words[name] ?? "").trim();
    if (word === "") delete after[name];
    else after[name] = number ? Number(word) : word;
  }
  return after;
}
