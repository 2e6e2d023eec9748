import { HttpBackend } from "../backend/http";
import { mountApp } from "./mount";

mountApp(new HttpBackend());
