import { DesktopBackend } from "../backend/desktop";
import { mountApp } from "./mount";

mountApp(new DesktopBackend());
