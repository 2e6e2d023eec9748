/** What a list is narrowed to; empty words narrow nothing. */
export interface Where {
  topic: string;
  user: string;
  channel: string;
  /** Times in milliseconds. */
  since: number | undefined;
  until: number | undefined;
}

export const everywhere = (): Where => ({ topic: "", user: "", channel: "", since: undefined, until: undefined });

export const narrowed = ({ topic, user, channel, since, until }: Where): boolean => topic !== "" || user !== "" || channel !== "" || since !== undefined || until !== undefined;
