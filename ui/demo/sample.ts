/** People and messages of a small team, in both languages. */
import type { Device, Me, MessageView, Token, Topic, User } from "../src/protocol";

const MINUTE = 60_000;

export function sample(lang: "en" | "zh-CN", role: "admin" | "member") {
  const zh = lang === "zh-CN";
  const now = Date.now();
  const pick = (english: string, chinese: string) => (zh ? chinese : english);
  const users: User[] = (
    [
      ["ann", pick("Ann Keller", "安可"), role],
      ["bo", pick("Bo Lindqvist", "林博"), "member"],
      ["chen", pick("Chen Wei", "陈伟"), "member"],
      ["dora", pick("Dora Marsh", "马多拉"), "admin"],
    ] as const
  ).map(([name, display_name, role], index) => ({ name, display_name, role, created_at: now - index * 86_400_000 }));
  let seq = 120;
  const message = (minutes: number, more: Partial<MessageView>): MessageView => {
    const id = `Demo${String(seq).padStart(8, "0")}`;
    return { id, cursor: `k3v9x0ab-${seq--}`, sender: "alertmanager", format: "text", priority: 3, thread: id, created_at: now - minutes * MINUTE, ...more };
  };
  const messages: MessageView[] = [
    message(1, {
      topic: "ops",
      priority: 5,
      title: pick("Disk almost full on db-1", "db-1 磁盘即将写满"),
      body: pick(
        "**/var** is at **97 %** and growing by 2 GB an hour.\n\n| mount | used | free |\n|---|---|---|\n| /var | 97 % | 14 GB |\n| / | 41 % | 60 GB |\n\n- [x] old logs rotated\n- [ ] volume grown\n\nSee the [dashboard](https://grafana.example/d/disk) and run:\n\n```\njournalctl --vacuum-size=2G\n```\n\n![load](https://img.example/load.png)",
        "**/var** 已使用 **97%**，每小时增长 2 GB。\n\n| 挂载点 | 已用 | 剩余 |\n|---|---|---|\n| /var | 97% | 14 GB |\n| / | 41% | 60 GB |\n\n- [x] 已轮转旧日志\n- [ ] 扩容磁盘卷\n\n请查看[监控面板](https://grafana.example/d/disk)，并执行：\n\n```\njournalctl --vacuum-size=2G\n```\n\n![负载](https://img.example/load.png)",
      ),
      format: "markdown",
      tags: ["db", "disk"],
      key: "disk:db-1",
      actions: [
        { type: "acknowledge" },
        { type: "open_url", label: pick("Runbook", "操作手册"), url: "https://wiki.example/disk" },
      ],
    }),
    message(9, { topic: "ops", priority: 4, title: pick("Payments API: error rate 4.2 %", "支付接口错误率 4.2%"), body: pick("Threshold 1 % for 5 minutes. First seen in eu-west.", "超过 1% 阈值已持续 5 分钟，最先出现在华东机房。") }),
    message(26, { sender: "dora", title: pick("Shift change at 18:00", "18:00 交接班"), body: pick("Bo takes over the pager. Please hand over open incidents before.", "今晚由林博值班，请提前交接未处理的事件。") }),
    message(48, { topic: "ci", sender: "ci", priority: 2, title: pick("Build 1842 passed", "构建 1842 通过"), body: "main · 12 min", read_at: now }),
    message(75, { topic: "ops", priority: 4, title: pick("Backup finished late", "备份完成时间偏晚"), body: pick("It took 3 h 12 min.", "用时 3 小时 12 分钟。"), resolved: true, read_at: now, acknowledged_at: now - 60 * MINUTE }),
    message(60 * 26, { topic: "office", sender: "chen", title: pick("The meeting room on the third floor is closed for repairs until Thursday noon", "三楼会议室维修，周四中午前暂停使用"), read_at: now }),
    message(60 * 30, { topic: "ops", priority: 1, sender: "cron", body: pick("Certificates renewed: 14", "已续期证书：14 张"), read_at: now }),
    message(60 * 50, { topic: "ops", priority: 4, title: pick("Replica lag on db-2", "db-2 复制延迟"), body: "38 s", superseded_by: "Demo00000000", read_at: now }),
  ];
  const topics: Topic[] = [
    { name: "ops", description: pick("Alerts of servers and services", "服务器与服务告警"), members: 4, member: true, policy: "on-call", created_at: now },
    { name: "ci", description: pick("Builds and deployments", "构建与部署"), members: 3, member: true, created_at: now },
    { name: "backup", description: pick("Nightly backups report here", "夜间备份的汇报"), members: 2, member: true, expect_every_s: 86_400, silent_since: now - 3 * 60 * MINUTE, created_at: now },
    { name: "office", description: pick("Rooms, mail, visitors", "会议室、收发、来访"), members: 4, member: false, created_at: now },
  ];
  const tokens: Token[] = [
    { id: "t1", kind: "sender", name: "Alertmanager", topics: ["ops"], created_at: now - 9 * 86_400_000, last_used_at: now - MINUTE },
    { id: "t2", kind: "client", name: pick("Ann's laptop", "安可的笔记本"), user: "ann", created_at: now - 9 * 86_400_000, last_used_at: now },
    { id: "t3", kind: "sender", name: "Uptime Kuma", topics: ["ops", "office"], created_at: now, expires_at: now + 30 * 86_400_000 },
  ];
  const devices: Device[] = [
    { name: "browser-k2x9", user: "ann", online: true, last_seen_at: now },
    { name: "bo-laptop", user: "bo", online: true, last_seen_at: now },
    { name: "chen-laptop", user: "chen", online: false, last_seen_at: now - 95 * MINUTE },
    { name: "desk-7", user: "dora", online: false, last_seen_at: now - 40 * MINUTE, filter: ["ops"] },
  ];
  const me: Me = { user: users[0], kind: "client", device: "browser-k2x9", unread: 3, server: { name: pick("Harbour Ops", "海港运维"), version: "0.1.0", instance: "demo", epoch: "k3v9x0ab" } };
  return { users, messages, topics, tokens, devices, me };
}
