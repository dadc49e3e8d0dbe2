/** The HTML of the browser login: no scripts, nothing from elsewhere. */

export type Language = "en" | "es";

interface Texts {
  title: string;
  intro: string;
  from: string;
  warning: string;
  email: string;
  password: string;
  submit: string;
  cancel: string;
  wrong: string;
  throttled: string;
  done: string;
  doneBody: string;
  cancelled: string;
  cancelledBody: string;
  gone: string;
  goneBody: string;
}

const TEXTS: Record<Language, Texts> = {
  en: {
    title: "Log in to Zarpa",
    intro: "A command line asks for access to your account:",
    from: "from the address",
    warning: "If you did not run “heroku login” just now, close this page.",
    email: "E-mail",
    password: "Password",
    submit: "Log in",
    cancel: "Cancel",
    wrong: "E-mail and password do not match. Please try again.",
    throttled: "Too many attempts. Please wait 15 minutes before trying again.",
    done: "You are logged in",
    doneBody: "You can close this page and return to the command line.",
    cancelled: "Login cancelled",
    cancelledBody: "The command line has got no access. You can close this page.",
    gone: "This login is over",
    goneBody: "It was finished already, or more than ten minutes have passed. Run “heroku login” again.",
  },
  es: {
    title: "Iniciar sesión en Zarpa",
    intro: "Una línea de comandos pide acceso a tu cuenta:",
    from: "desde la dirección",
    warning: "Si no acabas de ejecutar «heroku login», cierra esta página.",
    email: "Correo electrónico",
    password: "Contraseña",
    submit: "Iniciar sesión",
    cancel: "Cancelar",
    wrong: "El correo y la contraseña no coinciden. Inténtalo de nuevo.",
    throttled: "Demasiados intentos. Espera 15 minutos antes de volver a intentarlo.",
    done: "Has iniciado sesión",
    doneBody: "Puedes cerrar esta página y volver a la línea de comandos.",
    cancelled: "Inicio de sesión cancelado",
    cancelledBody: "La línea de comandos no ha obtenido acceso. Puedes cerrar esta página.",
    gone: "Este inicio de sesión ha terminado",
    goneBody: "Ya se completó o han pasado más de diez minutos. Ejecuta «heroku login» de nuevo.",
  },
};

const STYLE = `
:root { color-scheme: light dark; font: 100%/1.5 system-ui, sans-serif; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: Canvas; color: CanvasText; }
main { box-sizing: border-box; width: min(26rem, 100%); padding: 2rem; }
h1 { font-size: 1.5rem; margin: 0 0 1rem; }
.request { border-left: 4px solid #6b46c1; padding-left: .75rem; overflow-wrap: anywhere; }
label { display: block; margin: 1rem 0 .25rem; font-weight: 600; }
input { box-sizing: border-box; width: 100%; padding: .6rem; font: inherit; border: 1px solid GrayText; border-radius: .35rem; }
button { font: inherit; padding: .6rem 1.2rem; margin: 1.25rem .5rem 0 0; border-radius: .35rem; cursor: pointer; }
.primary { background: #5b36b1; color: #fff; border: 1px solid #5b36b1; }
.secondary { background: Canvas; color: CanvasText; border: 1px solid GrayText; }
[role=alert] { border: 2px solid #c62828; border-radius: .35rem; padding: .5rem .75rem; }
:focus-visible { outline: 3px solid #6b46c1; outline-offset: 2px; }
`;

/** Spanish when the browser prefers it to English. */
export function chooseLanguage(acceptLanguage: string | undefined): Language {
  const wishes = (acceptLanguage ?? "").split(",").map((part) => {
    const [tag = "", ...params] = part.trim().split(";");
    const quality = params.map((param) => /^\s*q=([\d.]+)$/.exec(param)?.[1]).find((value) => value !== undefined);
    return { language: tag.toLowerCase().split("-")[0], quality: Number(quality ?? 1) };
  });
  const best = wishes
    .filter(({ language, quality }) => (language === "en" || language === "es") && quality > 0)
    .sort((a, b) => b.quality - a.quality)[0];
  return best?.language === "es" ? "es" : "en";
}

/** The policy that goes with every page; `nonce` lets its own style in. */
export function contentSecurityPolicy(nonce: string): string {
  return `default-src 'none'; style-src 'nonce-${nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`;
}

/** The form. `problem`: why the last attempt failed. */
export function loginForm(options: {
  language: Language;
  nonce: string;
  action: string;
  formToken: string;
  description: string;
  address: string;
  email: string;
  problem: "wrong" | "throttled" | null;
}): string {
  const texts = TEXTS[options.language];
  const problem = options.problem === null ? "" : `<p role="alert" id="problem">${texts[options.problem]}</p>`;
  const described = options.problem === null ? "" : ' aria-describedby="problem" aria-invalid="true"';
  return page(
    options.language,
    options.nonce,
    texts.title,
    `<p>${texts.intro}</p>
<p class="request"><strong>${escapeHtml(options.description)}</strong><br>${texts.from} ${escapeHtml(options.address)}</p>
<p>${texts.warning}</p>
${problem}
<form method="post" action="${escapeHtml(options.action)}">
<input type="hidden" name="form_token" value="${escapeHtml(options.formToken)}">
<label for="email">${texts.email}</label>
<input id="email" name="email" type="email" autocomplete="username" required autofocus value="${escapeHtml(options.email)}"${described}>
<label for="password">${texts.password}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required${described}>
<button class="primary" type="submit">${texts.submit}</button>
<button class="secondary" type="submit" name="cancel" value="1" formnovalidate>${texts.cancel}</button>
</form>`,
  );
}

/** The page after the form. */
export function loginEnd(language: Language, nonce: string, ending: "done" | "cancelled" | "gone"): string {
  const texts = TEXTS[language];
  return page(language, nonce, texts[ending], `<p>${texts[`${ending}Body`]}</p>`);
}

function page(language: Language, nonce: string, title: string, content: string): string {
  return `<!doctype html>
<html lang="${language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style nonce="${nonce}">${STYLE}</style>
</head>
<body>
<main>
<h1>${title}</h1>
${content}
</main>
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}
