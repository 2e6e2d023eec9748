/** The routes of channels, bindings, routing and deliveries. A secret goes one way: nothing here returns one. */
import type {
  Binding,
  BindingCode,
  Candidate,
  ChannelQr,
  ChannelQuota,
  ChannelSettings,
  ChannelTest,
  ChannelView,
  CodeSent,
  Delivery,
  DeliveryDetail,
  DeliveryPage,
  Failing,
  MessageId,
  NewBinding,
  NewSecret,
  QrOrder,
  Resend,
  Resent,
  Route,
  TemplateInfo,
  TestOrder,
} from "../protocol";
import type { Backend } from "./backend";

/** What a person can do about something, as the name of its sentence (`remedy.<remedy>`) and what stands in it. */
export interface Advice {
  remedy?: string;
  params?: Record<string, string>;
}
/** With why it failed and what to do, where the server knows. */
export type DeliveryRow = Delivery & { failing?: Failing };

export interface DeliveryQuery {
  before?: number;
  limit?: number;
  /** Comma-separated states. */
  state?: string;
  channel?: string;
  user?: string;
  topic?: string;
  message?: MessageId;
}

export class ChannelsApi {
  constructor(private readonly backend: Backend) {}

  list = () => this.backend.request<ChannelView[]>("GET", "/v1/channels");
  put = (name: string, settings: ChannelSettings) => this.backend.request<ChannelView>("PUT", path(name), settings);
  remove = (name: string) => this.backend.request("DELETE", path(name));
  putSecret = (name: string, part: string, secret: string) => this.backend.request("PUT", path(name, "secrets", part), { secret } satisfies NewSecret);
  removeSecret = (name: string, part: string) => this.backend.request("DELETE", path(name, "secrets", part));
  test = (name: string, whom: Partial<TestOrder>) => this.backend.request<ChannelTest>("POST", path(name, "test"), whom);
  reopen = (name: string) => this.backend.request("POST", path(name, "reopen"));
  candidates = (name: string) => this.backend.request<Candidate[]>("GET", path(name, "candidates"));
  templates = (name: string) => this.backend.request<TemplateInfo[]>("GET", path(name, "templates"));
  quota = (name: string) => this.backend.request<ChannelQuota>("GET", path(name, "quota"));
  qr = (name: string, user: string) => this.backend.request<ChannelQr>("POST", path(name, "qr"), { user } satisfies QrOrder);

  bindings = (name: string) => this.backend.request<Binding[]>("GET", path(name, "bindings"));
  bind = (name: string, user: string, address: string) => this.backend.request<Binding>("PUT", path(name, "bindings", user), { address } satisfies NewBinding);
  sendCode = (name: string, user: string, address: string) => this.backend.request<CodeSent>("POST", path(name, "bindings", user, "code"), { address } satisfies NewBinding);
  confirmCode = (name: string, user: string, code: string) => this.backend.request<Binding>("POST", path(name, "bindings", user, "confirm"), { code } satisfies BindingCode);
  unbind = (name: string, user: string) => this.backend.request("DELETE", path(name, "bindings", user));

  routes = () => this.backend.request<Route[]>("GET", "/v1/routes");
  putRoute = (route: Route) => this.backend.request("PUT", "/v1/routes", route);
  removeRoute = ({ channel, topic, user }: Route) => this.backend.request("DELETE", `/v1/routes${query({ channel, topic, user })}`);

  deliveries = async (wanted: DeliveryQuery): Promise<{ items: DeliveryRow[]; next?: number }> => {
    const { items, failings, next } = await this.backend.request<DeliveryPage>("GET", `/v1/deliveries${query(wanted)}`);
    return { items: items.map((item) => ({ ...item, failing: failings[item.id] })), next };
  };
  delivery = (id: number) => this.backend.request<DeliveryDetail>("GET", `/v1/deliveries/${id}`);
  resend = (what: Resend) => this.backend.request<Resent>("POST", "/v1/deliveries/resend", what);
}

function path(...parts: string[]): string {
  return ["/v1/channels", ...parts.map(encodeURIComponent)].join("/");
}

function query(words: object): string {
  const given = Object.entries(words).filter(([, value]) => value !== undefined && value !== "");
  return given.length === 0 ? "" : `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`;
}
