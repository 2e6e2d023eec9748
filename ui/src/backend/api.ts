/** The routes that the views use, each once, with the types of the protocol. */
import type {
  Device,
  Hosting,
  Invite,
  JoinRequest,
  LoginCode,
  MadeToken,
  Me,
  MessageView,
  NewInvite,
  NewToken,
  NewTopic,
  NewUser,
  Page,
  Pause,
  Publish,
  Published,
  Settings,
  SettingsChange,
  Status,
  Token,
  Topic,
  TopicChange,
  User,
  UserChange,
  VaultChoice,
} from "../protocol";
import type { Backend } from "./backend";
import { ChannelsApi } from "./channels";
import { PoliciesApi } from "./policies";
import { ReceiptsApi } from "./receipts";
import { items, query } from "./request";

export interface InboxQuery {
  before?: number;
  limit?: number;
  topic?: string;
  unread?: boolean;
  unacknowledged?: boolean;
  /** Text in title or body. */
  q?: string;
}

export class Api {
  readonly channels: ChannelsApi;
  readonly policies: PoliciesApi;
  readonly receipts: ReceiptsApi;

  constructor(readonly backend: Backend) {
    this.channels = new ChannelsApi(backend);
    this.policies = new PoliciesApi(backend);
    this.receipts = new ReceiptsApi(backend);
  }

  me = () => this.backend.request<Me>("GET", "/v1/me");

  messages = (wanted: InboxQuery) => this.backend.request<Page<MessageView>>("GET", `/v1/messages${query(wanted)}`);
  message = (id: string) => this.backend.request<MessageView>("GET", `/v1/messages/${id}`);
  read = (id: string) => this.backend.request("POST", `/v1/messages/${id}/read`, {});
  acknowledge = (id: string) => this.backend.request("POST", `/v1/messages/${id}/acknowledge`, {});
  publish = (message: Partial<Publish>, key: string) => this.backend.request<Published>("POST", "/v1/messages", message, key);

  users = () => this.backend.request<User[] | { items: User[] }>("GET", "/v1/users").then(items);
  addUser = (user: NewUser) => this.backend.request<User>("POST", "/v1/users", user);
  changeUser = (name: string, change: UserChange) => this.backend.request<User>("PATCH", `/v1/users/${name}`, change);
  removeUser = (name: string) => this.backend.request("DELETE", `/v1/users/${name}`);

  topics = () => this.backend.request<Topic[] | { items: Topic[] }>("GET", "/v1/topics").then(items);
  addTopic = (topic: NewTopic) => this.backend.request<Topic>("POST", "/v1/topics", topic);
  changeTopic = (name: string, change: TopicChange) => this.backend.request<Topic>("PATCH", `/v1/topics/${name}`, change);
  removeTopic = (name: string) => this.backend.request("DELETE", `/v1/topics/${name}`);
  members = (topic: string) =>
    this.backend
      .request<(User | string)[] | { items: (User | string)[] }>("GET", `/v1/topics/${topic}/members`)
      .then((answer) => items(answer).map((member) => (typeof member === "string" ? member : member.name)));
  addMember = (topic: string, user: string) => this.backend.request("PUT", `/v1/topics/${topic}/members/${user}`);
  removeMember = (topic: string, user: string) => this.backend.request("DELETE", `/v1/topics/${topic}/members/${user}`);

  tokens = () => this.backend.request<Token[] | { items: Token[] }>("GET", "/v1/tokens").then(items);
  addToken = (token: NewToken) => this.backend.request<MadeToken>("POST", "/v1/tokens", token);
  removeToken = (id: string) => this.backend.request("DELETE", `/v1/tokens/${id}`);
  devices = () => this.backend.request<Device[] | { items: Device[] }>("GET", "/v1/devices").then(items);
  invite = (invite: NewInvite) => this.backend.request<Invite>("POST", "/v1/invites", invite);
  loginCode = () => this.backend.request<LoginCode>("POST", "/v1/login-codes", {});

  status = () => this.backend.request<Status>("GET", "/native/status");
  settings = () => this.backend.request<Settings>("GET", "/native/settings");
  changeSettings = (change: SettingsChange) => this.backend.request<Settings>("PATCH", "/native/settings", change);
  /** Hosts as the settings say, so they go first. */
  host = async (hosting: Hosting) => {
    await this.changeSettings({ hosting });
    await this.backend.request("POST", "/native/host");
  };
  join = (request: JoinRequest) => this.backend.request("POST", "/native/join", request);
  pause = (pause: Pause) => this.backend.request("POST", "/native/pause", pause);
  testNotification = () => this.backend.request("POST", "/native/test-notification");
  readAll = () => this.backend.request("POST", "/native/read-all");
  vault = (choice: VaultChoice) => this.backend.request("POST", "/native/vault", choice);
}
