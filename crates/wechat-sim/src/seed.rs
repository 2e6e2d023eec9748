//! The accounts that are there from the start: nobody has to make one before the first message.

use crate::{
    people::{App, Corp, Follower, Member, OaAccount, Robot, Template},
    world::World,
};

/// The ready-made official account.
pub const APPID: &str = "wx5a1e0c1000000001";
/// The ready-made corp.
pub const CORPID: &str = "ww5a1e0c1000000002";
/// The ready-made app.
pub const AGENT_ID: i64 = 1_000_002;
/// Another app of the same corp: its token does not open the first.
pub const OTHER_AGENT_ID: i64 = 1_000_003;
/// A template whose fields have types.
pub const ALERT_TEMPLATE: &str = "sim_alert_template_000000000000000000000000";
/// A template of the old kind, with free fields.
pub const FREE_TEMPLATE: &str = "sim_free_template_0000000000000000000000000";

/// Followers: remark and end of the openid. The platform tells no names since 2021.
const FOLLOWERS: &[(&str, &str)] = &[("王芳", "wangfang"), ("李伟", "liwei"), ("", "unnamed1")];
/// Members: userid, name, department.
const MEMBERS: &[(&str, &str, i64)] =
    &[("ZhangSan", "张三", 1), ("lisi", "李四", 2), ("wangwu", "王五", 2), ("zhaoliu", "赵六", 3)];

/// The openid of a ready-made follower.
pub fn openid(name: &str) -> String {
    format!("o5imA1e{name:0>21}")
}

pub(crate) fn plant(world: &mut World, now: i64) {
    plant_account(world, now);
    plant_corp(world);
    for group in ["运维值班群", "Night shift"] {
        let key = world.random.uuid();
        world.robots.insert(key.clone(), Robot::new(&key, group));
    }
}

fn plant_account(world: &mut World, now: i64) {
    let mut account = OaAccount::new(APPID, &world.random.hex(32), "gh_5a1e0c100001");
    for (remark, name) in FOLLOWERS {
        let mut follower = Follower::new(&openid(name), remark);
        follower.subscribe_time = now / 1_000 - 86_400;
        account.followers.insert(follower.openid.clone(), follower);
    }
    for (id, title, content) in [
        (
            ALERT_TEMPLATE,
            "告警通知",
            "告警内容:{{thing1.DATA}}\n告警时间:{{time2.DATA}}\n告警级别:{{phrase3.DATA}}\n编号:{{character_string4.DATA}}\n",
        ),
        (
            FREE_TEMPLATE,
            "服务器告警",
            "{{first.DATA}}\n{{keyword1.DATA}}\n{{keyword2.DATA}}\n{{remark.DATA}}",
        ),
    ] {
        let template = Template {
            template_id: id.into(),
            title: title.into(),
            content: content.into(),
            example: "告警内容:磁盘将满\n告警时间:2026-01-02 09:06\n".into(),
            primary_industry: "IT科技".into(),
            deputy_industry: "IT软件与服务".into(),
            banned: false,
        };
        account.templates.insert(id.into(), template);
    }
    world.oa.insert(APPID.into(), account);
}

fn plant_corp(world: &mut World) {
    let mut corp = Corp::new(CORPID, &world.random.word(43));
    for (id, name, parent) in [(1, "警钟科技", 0), (2, "运维部", 1), (3, "值班组", 2)] {
        corp.departments.insert(id, (name.to_owned(), parent));
    }
    for (userid, name, department) in MEMBERS {
        let member = Member {
            userid: (*userid).into(),
            name: (*name).into(),
            department: vec![*department],
            tags: Vec::new(),
            visible: true,
            licensed: true,
        };
        corp.members.insert(userid.to_lowercase(), member);
    }
    for (agentid, name) in [(AGENT_ID, "警钟"), (OTHER_AGENT_ID, "考勤")] {
        corp.apps.insert(agentid, App::new(agentid, name, &world.random.word(43)));
    }
    world.corps.insert(CORPID.into(), corp);
}
