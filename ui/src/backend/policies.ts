/** The routes of escalation policies. */
import type { DryRun, Policy, PolicySettings, Timeline } from "../protocol";
import type { Backend } from "./backend";
import { items, path } from "./request";

export class PoliciesApi {
  constructor(private readonly backend: Backend) {}

  list = () => this.backend.request<Policy[] | { items: Policy[] }>("GET", path("policies")).then(items);
  put = (name: string, settings: PolicySettings) => this.backend.request<Policy>("PUT", path("policies", name), settings);
  remove = (name: string) => this.backend.request("DELETE", path("policies", name));
  /** What it would do if nobody ever answered; it need not be saved. */
  dryRun = (run: DryRun) => this.backend.request<Timeline>("POST", path("policies", "dry-run"), run);
}
