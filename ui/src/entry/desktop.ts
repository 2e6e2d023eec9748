import { DesktopBackend } from "../backend/desktop";
import { i18n, spoken } from "../text/i18n.svelte";
import { mountApp } from "./mount";

// The window says at its creation which language the tray speaks: the first words are in it, too.
i18n.told = spoken(new URLSearchParams(location.search).get("lang"));
mountApp(new DesktopBackend());
