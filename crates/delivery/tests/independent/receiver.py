"""A receiver built on standardwebhooks: 204 for a request that it verifies, 401 for any other.

Argument: the secret. Writes its address, then one line of JSON for each request: what it verified, or the refusal.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

WEBHOOK = Webhook(sys.argv[1])


def say(value):
    print(json.dumps(value, ensure_ascii=False), flush=True)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            say({"id": self.headers["webhook-id"], "event": WEBHOOK.verify(body, dict(self.headers))})
            self.send_response(204)
        except WebhookVerificationError as refusal:
            say({"refused": str(refusal)})
            self.send_response(401)
        self.end_headers()

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Receiver)
say(f"http://127.0.0.1:{server.server_port}/in")
server.serve_forever()
