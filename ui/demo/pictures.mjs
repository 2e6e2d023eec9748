/** What is looked at: a name, the address, the size of the window, and for some what a person does there first. */
const WINDOW = { width: 900, height: 640 };
const PHONE = { width: 390, height: 780 };
const message = "Demo00000120";
/** What is asked for when typing pauses needs so long. */
const PAUSE_MS = 900;
export const pictures = [
  ["inbox-en", "?lang=en#/inbox", WINDOW],
  ["message-en", `?lang=en#/message/${message}`, WINDOW],
  ["message-tall-zh", `?lang=zh-CN#/message/${message}`, { width: 1040, height: 1300 }],
  // Those of the README: `convert NAME.png +dither -colors 128 PNG8:docs/images/NAME.png`.
  ["page-en", `?lang=en#/message/${message}`, { width: 1000, height: 960 }],
  ["page-zh-CN", `?lang=zh-CN#/message/${message}`, { width: 1000, height: 960 }],
  ["message-dark-zh", `?lang=zh-CN&theme=dark#/message/${message}`, WINDOW],
  ["inbox-phone-zh", "?lang=zh-CN#/inbox", PHONE],
  ["message-phone-en", `?lang=en&theme=dark#/message/${message}`, PHONE],
  ["inbox-empty-en", "?lang=en&empty&link=offline#/inbox", WINDOW],
  ["compose-en", "?lang=en#/compose", WINDOW],
  ["compose-phone-zh", "?lang=zh-CN#/compose", PHONE],
  ["receipts-en", "?lang=en#/receipts", { width: 1000, height: 700 }],
  ["receipts-zh", "?lang=zh-CN&theme=dark#/receipts", { width: 1000, height: 700 }],
  ["receipts-phone-zh", "?lang=zh-CN#/receipts", { width: 390, height: 1000 }],
  ["receipt-en", `?lang=en#/receipts/${message}`, { width: 1100, height: 1200 }],
  ["receipt-zh", `?lang=zh-CN#/receipts/${message}`, { width: 1100, height: 1200 }],
  ["receipt-many-en", `?lang=en&people=many&theme=dark#/receipts/${message}`, { width: 1100, height: 900 }],
  ["receipt-phone-zh", `?lang=zh-CN#/receipts/${message}`, { width: 390, height: 1700 }],
  ["receipt-again-zh", `?lang=zh-CN&people=many#/receipts/${message}`, { width: 1000, height: 700 }, press("section.card .tools button")],
  ["message-receipt-en", `?lang=en#/message/${message}`, { width: 900, height: 1700 }],
  ["escalated-en", "?lang=en#/inbox", { width: 900, height: 700 }, escalated],
  ["escalated-zh", "?lang=zh-CN&theme=dark#/inbox", { width: 900, height: 700 }, escalated],
  ["settled-zh", "?lang=zh-CN#/message/Demo00000119", WINDOW, settled],
  ["policies-en", "?lang=en#/settings/policies", { width: 1100, height: 700 }],
  ["policy-en", "?lang=en#/settings/policies", { width: 1100, height: 1500 }, press("[aria-label='Change: On call']")],
  ["policy-zh", "?lang=zh-CN&theme=dark#/settings/policies", { width: 1100, height: 1500 }, press("[aria-label='编辑: 值班']")],
  ["policy-phone-zh", "?lang=zh-CN#/settings/policies", { width: 390, height: 2900 }, press("[aria-label='编辑: 值班']")],
  ["topic-en", "?lang=en#/people", { width: 900, height: 900 }, press("[aria-label='Settings: backup']")],
  ["channels-webhook-en", "?lang=en#/settings/webhook", { width: 900, height: 1500 }],
  ["channels-webhook-new-zh", "?lang=zh-CN&channels=none#/settings/webhook", { width: 900, height: 1100 }, press("form .field .button.small")],
  ["people-en", "?lang=en#/people", { width: 900, height: 1500 }],
  ["people-phone-zh", "?lang=zh-CN#/people", { width: 390, height: 1900 }],
  ["settings-native-en", "?lang=en&native#/settings", { width: 900, height: 1300 }],
  ["settings-native-zh-dark", "?lang=zh-CN&native&theme=dark&link=offline&problem=keyring_missing#/settings", { width: 900, height: 1300 }],
  ["settings-browser-zh", "?lang=zh-CN#/settings", WINDOW],
  ["channels-wecom-en", "?lang=en&native#/settings/wecom", { width: 900, height: 2700 }],
  ["channels-wecom-zh", "?lang=zh-CN&reachable#/settings/wecom", { width: 900, height: 3000 }],
  ["channels-wecom-phone-zh", "?lang=zh-CN&theme=dark#/settings/wecom", { width: 390, height: 3600 }],
  ["channels-wechat-en", "?lang=en&reachable&theme=dark#/settings/wechat", { width: 900, height: 3200 }],
  ["channels-wechat-zh", "?lang=zh-CN&native#/settings/wechat", { width: 900, height: 3000 }],
  ["channels-robot-en", "?lang=en#/settings/wecom-robot", { width: 900, height: 1900 }],
  ["channels-robot-zh", "?lang=zh-CN&native#/settings/wecom-robot", { width: 900, height: 1900 }],
  ["channels-new-en", "?lang=en&channels=none#/settings/wecom", { width: 900, height: 1200 }],
  ["channels-new-zh", "?lang=zh-CN&channels=none#/settings/wechat", { width: 900, height: 1200 }],
  ["channels-wecom-test-zh", "?lang=zh-CN#/settings/wecom", { width: 900, height: 1500 }, failedTest],
  ["channels-wecom-open-en", "?lang=en&reachable#/settings/wecom", { width: 900, height: 3600 }, openAll],
  ["channels-wechat-template-zh", "?lang=zh-CN&reachable#/settings/wechat", { width: 900, height: 3400 }, openAll],
  ["channels-wechat-qr-zh", "?lang=zh-CN&reachable&scan=never#/settings/wechat", WINDOW, scan],
  ["channels-robot-open-zh", "?lang=zh-CN#/settings/wecom-robot", { width: 900, height: 2600 }, openAll],
  ["channels-remove-en", "?lang=en#/settings/wecom", WINDOW, (page) => page.click(".parts > div > .danger")],
  ["deliveries-all-zh", "?lang=zh-CN#/settings/deliveries", { width: 900, height: 1000 }, (page) => page.selectOption("[name=deliveries-show]", "all")],
  ["deliveries-details-zh", "?lang=zh-CN#/settings/deliveries", WINDOW, (page) => page.click("[data-delivery] .plain")],
  ["routing-en", "?lang=en#/settings/routing", { width: 900, height: 1500 }],
  ["routing-zh", "?lang=zh-CN&theme=dark#/settings/routing", { width: 900, height: 1500 }],
  ["routing-phone-zh", "?lang=zh-CN#/settings/routing", { width: 390, height: 1900 }],
  ["deliveries-en", "?lang=en#/settings/deliveries", { width: 900, height: 800 }],
  ["deliveries-zh", "?lang=zh-CN#/settings/deliveries", { width: 900, height: 800 }],
  ["deliveries-phone-en", "?lang=en&theme=dark#/settings/deliveries", { width: 390, height: 1100 }],
  ["first-run-en", "?lang=en&native&mode=unset", WINDOW],
  ["first-run-zh", "?lang=zh-CN&native&mode=unset", PHONE],
  ["sign-in-en", "?lang=en&session=none", WINDOW],
  ["sign-in-zh", "?lang=zh-CN&session=none&theme=dark", PHONE],
  ["stopped-en", "?lang=en&link=stopped#/inbox", WINDOW],
];

/** The platform refuses the address of this server. */
async function failedTest(page) {
  await page.evaluate(() => {
    const failing = { class: "config", code: "60020", message: "not allow to access from your ip, hint: [1757_33_ab], from ip: 203.0.113.7", remedy: "trust_ip", params: { ip: "203.0.113.7" } };
    globalThis.demo.channels.next = { token: { result: "passed" }, message: { result: "failed", failing } };
  });
  await page.selectOption("[name=test-whom]", "ann");
  await page.locator("form:has([name=test-whom]) button").click();
  await page.waitForSelector("[data-testid=test-result] li");
}

/** Everything that opens is open, every list fetched, a secret about to be replaced. */
async function openAll(page) {
  const closed = page.locator(".column details:not([open]) > summary");
  while (await closed.count()) await closed.first().click();
  for (const [button, then] of [["[data-secret] .button.small", "[data-secret] form"], ["section:has([name=field-thing1]) .row .button", "[name=template_id]"], ["[name=pick]", "[name=bind-candidate]"]]) {
    if (!(await page.locator(button).count())) continue;
    await page.locator(button).first().click();
    await page.waitForSelector(then);
  }
}

/** A person is bound by a code. */
async function scan(page) {
  for (const part of ["callback_token", "callback_key"]) {
    await page.fill(`[data-secret=${part}] input`, "A".repeat(43));
    await page.click(`[data-secret=${part}] button`);
  }
  await page.check("[name=callback]");
  await page.selectOption("[name=bind-user]", "bo");
  await page.click("[name=scan]");
  await page.waitForSelector("dialog[open] svg");
}

/** The first of these is pressed. */
function press(button) {
  return async (page) => {
    await page.locator(button).first().click();
    await page.waitForTimeout(PAUSE_MS);
  };
}

/** Somebody took care of one message, another is asked for again, and a third is this person's turn. */
async function escalated(page) {
  await page.evaluate(() => {
    const at = Date.now() - 60_000;
    const tell = (type, what) => globalThis.demo.tell(type === "message" ? { type, message: what } : { type, change: what });
    tell("message", { id: "Next00000001", cursor: "k3v9x0ab-913", sender: "tocsin", title: "Disk almost full on db-1", body: "Nobody acknowledged it within 10 minutes.", format: "text", priority: 5, thread: "Next00000001", escalates: "Demo00000120", created_at: at });
    tell("state", { cursor: "k3v9x0ab-914", id: "Demo00000119", settled: { by: "bo", at } });
    tell("state", { cursor: "k3v9x0ab-915", id: "Demo00000120", remind_at: at });
    location.hash = "#/message/Next00000001";
  });
  await page.waitForTimeout(PAUSE_MS);
}

/** Somebody took care of it. */
async function settled(page) {
  await page.evaluate(() => globalThis.demo.tell({ type: "state", change: { cursor: "k3v9x0ab-914", id: "Demo00000119", settled: { by: "bo", at: Date.now() } } }));
  await page.waitForTimeout(PAUSE_MS);
}
