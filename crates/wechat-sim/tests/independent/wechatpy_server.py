"""An application built on wechatpy: proves its address, opens what is pushed, replies encrypted.

Arguments: "oa" or "app", token, EncodingAESKey, receive id. Writes its address, then one line of JSON for each push.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import xmltodict
from wechatpy.crypto import WeChatCrypto
from wechatpy.enterprise.crypto import WeChatCrypto as EnterpriseCrypto
from wechatpy.utils import check_signature

KIND, TOKEN, KEY, RECEIVER = sys.argv[1:5]
CRYPTO = (WeChatCrypto if KIND == "oa" else EnterpriseCrypto)(TOKEN, KEY, RECEIVER)
UPDATE = "<xml><MsgType><![CDATA[update_button]]></MsgType><Button><ReplaceName><![CDATA[{}]]></ReplaceName></Button></xml>"


def say(value):
    print(json.dumps(value, ensure_ascii=False), flush=True)


class Application(BaseHTTPRequestHandler):
    def query(self):
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}

    def reply(self, text):
        body = text.encode("utf-8")
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        query = self.query()
        if KIND == "oa":
            check_signature(TOKEN, query["signature"], query["timestamp"], query["nonce"])
            self.reply(query["echostr"])
        else:
            self.reply(
                CRYPTO.check_signature(query["msg_signature"], query["timestamp"], query["nonce"], query["echostr"])
            )

    def do_POST(self):
        query = self.query()
        body = self.rfile.read(int(self.headers["content-length"])).decode("utf-8")
        plain = CRYPTO.decrypt_message(body, query["msg_signature"], query["timestamp"], query["nonce"])
        say(xmltodict.parse(plain)["xml"])
        if KIND == "oa":
            self.reply("success")
        else:
            self.reply(CRYPTO.encrypt_message(UPDATE.format("已由 wechatpy 确认"), query["nonce"], query["timestamp"]))

    def log_message(self, *arguments):
        pass


server = HTTPServer(("127.0.0.1", 0), Application)
say(f"http://127.0.0.1:{server.server_port}/callback")
server.serve_forever()
