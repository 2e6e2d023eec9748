/** The routes of receipts: who has a message, once more to those who have not, and stopping what still tries. */
import type { Cancelled, MessageId, Page, Receipt, ReceiptFilter, ReceiptSummary, ResendMessage, ResentMessage } from "../protocol";
import type { Backend } from "./backend";
import { path, query } from "./request";

export interface ReceiptQuery {
  filter: ReceiptFilter;
  topic?: string;
  user?: string;
  channel?: string;
  since?: number;
  until?: number;
  before?: number;
  limit?: number;
}

/** Which people of a receipt; without `limit` as many as the server gives. */
export interface PeoplePage {
  after?: string;
  limit?: number;
}

export class ReceiptsApi {
  constructor(private readonly backend: Backend) {}

  one = (id: MessageId, people: PeoplePage = {}) => this.backend.request<Receipt>("GET", `${path("messages", id, "receipt")}${query(people)}`);
  list = (wanted: ReceiptQuery) => this.backend.request<Page<ReceiptSummary>>("GET", `${path("receipts")}${query(wanted)}`);
  resend = (id: MessageId, order: ResendMessage) => this.backend.request<ResentMessage>("POST", path("messages", id, "resend"), order);
  cancel = (id: MessageId) => this.backend.request<Cancelled>("POST", path("messages", id, "cancel"), {});
}
