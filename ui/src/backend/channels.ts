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
import { path, query } from "./request";

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
  since?: number;
  until?: number;
}

export class ChannelsApi {
  constructor(private readonly backend: Backend) {}

  list = () => this.backend.request<ChannelView[]>("GET", "/v1/channels");
  put = (name: string, settings: ChannelSettings) => this.backend.request<ChannelView>("PUT", path("channels", name), settings);
  remove = (name: string) => this.backend.request("DELETE", path("channels", name));
  putSecret = (name: string, part: string, secret: string) => this.backend.request("PUT", path("channels", name, "secrets", part), { secret } satisfies NewSecret);
  removeSecret = (name: string, part: string) => this.backend.request("DELETE", path("channels", name, "secrets", part));
  test = (name: string, whom: Partial<TestOrder>) => this.backend.request<ChannelTest>("POST", path("channels", name, "test"), whom);
  reopen = (name: string) => this.backend.request("POST", path("channels", name, "reopen"));
  candidates = (name: string) => this.backend.request<Candidate[]>("GET", path("channels", name, "candidates"));
  templates = (name: string) => this.backend.request<TemplateInfo[]>("GET", path("channels", name, "templates"));
  quota = (name: string) => this.backend.request<ChannelQuota>("GET", path("channels", name, "quota"));
  qr = (name: string, user: string) => this.backend.request<ChannelQr>("POST", path("channels", name, "qr"), { user } satisfies QrOrder);

  bindings = (name: string) => this.backend.request<Binding[]>("GET", path("channels", name, "bindings"));
  bind = (name: string, user: string, address: string) => this.backend.request<Binding>("PUT", path("channels", name, "bindings", user), { address } satisfies NewBinding);
  sendCode = (name: string, user: string, address: string) => this.backend.request<CodeSent>("POST", path("channels", name, "bindings", user, "code"), { address } satisfies NewBinding);
  confirmCode = (name: string, user: string, code: string) => this.backend.request<Binding>("POST", path("channels", name, "bindings", user, "confirm"), { code } satisfies BindingCode);
  unbind = (name: string, user: string) => this.backend.request("DELETE", path("channels", name, "bindings", user));

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
