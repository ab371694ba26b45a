// Every text of the page in both languages, and numbers and times as people write them there.

export const LANGUAGES = { en: "English", de: "Deutsch" };

/** Texts by key: English, German. `{name}` is filled in; `{name|one|many}` is a number with its noun. */
const WORDS = {
  "skip": ["Skip to content", "Zum Inhalt springen"],
  "views": ["Views", "Ansichten"],
  "view.overview": ["Overview", "Überblick"],
  "view.frictions": ["Frictions", "Reibungen"],
  "view.timeline": ["Timeline", "Verlauf"],
  "view.pipeline": ["Pipeline", "Pipeline"],
  "title.overview": ["Where customers lose time", "Wo Kunden Zeit verlieren"],
  "title.frictions": ["Frictions, with evidence", "Reibungen mit Belegen"],
  "title.timeline": ["One person across channels", "Eine Person über alle Kanäle"],
  "title.pipeline": ["How the pipeline is doing", "Wie es der Pipeline geht"],
  "period": ["Period", "Zeitraum"],
  "days.7": ["7 days", "7 Tage"],
  "days.28": ["28 days", "28 Tage"],
  "days.90": ["90 days", "90 Tage"],
  "days.0": ["all", "alles"],
  "period.said": ["{days} up to {until}, the newest event (UTC)", "{days} bis {until}, dem neuesten Ereignis (UTC)"],
  "period.all": ["{from} to {until} (UTC)", "{from} bis {until} (UTC)"],
  "language": ["Language", "Sprache"],
  "theme": ["Colours", "Farben"],
  "theme.system": ["system", "System"],
  "theme.light": ["light", "hell"],
  "theme.dark": ["dark", "dunkel"],
  "close": ["Close", "Schließen"],
  "loading": ["Asking …", "Frage …"],
  "as-table": ["Show as table", "Als Tabelle zeigen"],
  "min": ["{n} min", "{n} min"],
  "unknown": ["unknown", "unbekannt"],
  "foot.where": ["Database {database}, read-only. Nothing on this page leaves this machine.",
    "Datenbank {database}, nur lesend. Nichts auf dieser Seite verlässt diesen Rechner."],
  "foot.version": ["customer journeys {version}", "customer journeys {version}"],

  "source.title": ["The query behind it", "Die Abfrage dahinter"],
  "source.note": ["{rows|row|rows} in {ms} ms. Any ClickHouse client answers it the same way.",
    "{rows|Zeile|Zeilen} in {ms} ms. Jeder ClickHouse-Client beantwortet sie genauso."],
  "source.copy": ["Copy", "Kopieren"],
  "source.copied": ["copied", "kopiert"],
  "source.not-copied": ["The browser does not allow it; select the text and copy it.",
    "Der Browser erlaubt es nicht; bitte den Text markieren und kopieren."],
  "source.open": ["Open in ClickHouse", "In ClickHouse öffnen"],
  "source.csv": ["CSV, all rows", "CSV, alle Zeilen"],

  "trouble.title": ["This could not be answered.", "Das ließ sich nicht beantworten."],
  "trouble.unreachable": ["The page's own server does not answer any more.",
    "Der Server dieser Seite antwortet nicht mehr."],
  "trouble.unreachable.advice": ["Was it stopped? journeys serve starts it, and so does journeys up.",
    "Wurde er beendet? journeys serve startet ihn, journeys up auch."],
  "trouble.again": ["Try again", "Noch einmal versuchen"],

  "empty.title": ["Nothing has arrived yet", "Es ist noch nichts angekommen"],
  "empty.text": ["The tables are there, and empty. This fills them with made-up customers, so that there is something to look at:",
    "Die Tabellen sind da, und leer. So kommen erfundene Kunden hinein, damit es etwas zu sehen gibt:"],
  "empty.own": ["And this sends touchpoints of your own, one JSON object a line:",
    "Und so kommen eigene Kontaktpunkte hinein, ein JSON-Objekt je Zeile:"],
  "empty.demo": ["To see everything once without setting anything up: journeys demo",
    "Um alles einmal zu sehen, ohne etwas einzurichten: journeys demo"],
  "empty.again": ["Look again", "Noch einmal nachsehen"],
  "empty.period": ["Nothing in this period. Choose a longer one above.",
    "Nichts in diesem Zeitraum. Oben lässt sich ein längerer wählen."],

  "number.minutes": ["customer minutes lost", "verlorene Kundenminuten"],
  "number.journeys": ["journeys", "Reisen"],
  "number.persons": ["persons", "Personen"],
  "number.with-friction": ["of journeys met friction", "der Reisen mit Reibung"],
  "number.across": ["of journeys crossed channels", "der Reisen über mehrere Kanäle"],
  "number.over": ["journeys over their effort budget", "Reisen über ihrem Aufwandsbudget"],

  "causes.title": ["Minutes lost, by cause", "Verlorene Minuten nach Ursache"],
  "causes.note": ["Every minute once. Each bar leads to its frictions.",
    "Jede Minute einmal. Jeder Balken führt zu seinen Reibungen."],
  "causes.more": ["{n|further cause|further causes}", "{n|weitere Ursache|weitere Ursachen}"],
  "cause": ["Cause", "Ursache"],
  "minutes": ["Minutes", "Minuten"],
  "persons": ["Persons", "Personen"],
  "trend.title": ["Minutes lost, day by day", "Verlorene Minuten Tag für Tag"],
  "trend.said": ["Minutes lost by day, from {from} to {until}: at most {most} on {day}.",
    "Verlorene Minuten je Tag, {from} bis {until}: am meisten {most} am {day}."],
  "trend.hint": ["Arrow keys or the pointer tell each day.", "Pfeiltasten oder Zeiger nennen jeden Tag."],
  "trend.day": ["{day}: {minutes} min, {postings|posting|postings}", "{day}: {minutes} min, {postings|Buchung|Buchungen}"],
  "day": ["Day", "Tag"],
  "postings": ["Postings", "Buchungen"],
  "redirects.title": ["Who is sent where", "Wer wohin geschickt wird"],
  "redirects.note": ["Redirects by channel (row) to channel (column); below, how many arrived there.",
    "Verweise von Kanal (Zeile) zu Kanal (Spalte); darunter, wie viele dort ankamen."],
  "redirects.none": ["Nobody was sent elsewhere in this period.", "In diesem Zeitraum wurde niemand weitergeschickt."],
  "redirects.corner": ["from \\ to", "von \\ nach"],
  "redirects.cell": ["{n} sent from {from} to {to}, {arrived} arrived, {lost} got lost, {solved} solved, {minutes} min",
    "{n} von {from} zu {to} geschickt, {arrived} kamen an, {lost} gingen verloren, {solved} gelöst, {minutes} min"],
  "redirects.arrived": ["{share} arrived", "{share} kamen an"],
  "paths.title": ["Ways through the channels", "Wege durch die Kanäle"],
  "paths.note": ["Journeys that used more than one channel, step by step: the second chat is another step than the first.",
    "Reisen über mehr als einen Kanal, Schritt für Schritt: der zweite Chat ist ein anderer Schritt als der erste."],
  "paths.none": ["No journey used more than one channel in this period.",
    "In diesem Zeitraum nutzte keine Reise mehr als einen Kanal."],
  "paths.said": ["Sankey diagram of {n} journeys: {top}.", "Sankey-Diagramm von {n} Reisen: {top}."],
  "paths.link": ["{from} to {to}: {n|journey|journeys}, {minutes} min of effort",
    "{from} zu {to}: {n|Reise|Reisen}, {minutes} min Aufwand"],
  "step": ["Step", "Schritt"],
  "from": ["From", "Von"],
  "to": ["To", "Nach"],
  "journeys": ["Journeys", "Reisen"],

  "filter": ["Filter", "Filter"],
  "filter.text": ["Words in the sentence", "Worte im Satz"],
  "filter.rule": ["Pattern", "Muster"],
  "filter.team": ["Team", "Team"],
  "filter.channel": ["Channel", "Kanal"],
  "filter.severity": ["Severity from", "Schwere ab"],
  "filter.order": ["Order", "Reihenfolge"],
  "filter.any": ["any", "alle"],
  "filter.clear": ["Clear", "Zurücksetzen"],
  "order.newest": ["newest first", "neueste zuerst"],
  "order.oldest": ["oldest first", "älteste zuerst"],
  "order.minutes": ["most minutes first", "meiste Minuten zuerst"],
  "order.severity": ["most severe first", "schwerste zuerst"],
  "frictions.title": ["What happened", "Was geschah"],
  "frictions.sums": ["{n|friction|frictions} of {persons|person|persons}, {minutes} customer minutes",
    "{n|Reibung|Reibungen} von {persons|Person|Personen}, {minutes} Kundenminuten"],
  "frictions.none": ["No friction fits. Take a filter away, or choose a longer period.",
    "Keine Reibung passt. Ein Filter weniger oder ein längerer Zeitraum hilft."],
  "when": ["When (UTC)", "Wann (UTC)"],
  "severity": ["Severity", "Schwere"],
  "severity.of": ["severity {n} of 5", "Schwere {n} von 5"],
  "what": ["What happened", "Was geschah"],
  "team": ["Team", "Team"],
  "person": ["Person", "Person"],
  "evidence": ["Why", "Warum"],
  "evidence.of": ["Why: {sentence}", "Warum: {sentence}"],
  "to-timeline.of": ["Timeline of person {person}", "Verlauf der Person {person}"],
  "pages": ["Pages", "Seiten"],
  "page.said": ["{first} to {last} of {all}", "{first} bis {last} von {all}"],
  "page.before": ["Previous", "Zurück"],
  "page.after": ["Next", "Weiter"],
  "why.miss": ["Nearest miss", "Was fehlte"],
  "why.miss.note": ["what would have prevented it", "was sie verhindert hätte"],
  "why.checks": ["What was tested", "Was geprüft wurde"],
  "why.guards": ["What would have excused it", "Was sie entschuldigt hätte"],
  "why.severity": ["How severe, and why", "Wie schwer, und warum"],
  "why.touchpoints": ["Touchpoints that prove it", "Kontaktpunkte, die es belegen"],
  "why.english": ["", "Geprüfte Werte stehen in den Daten auf Englisch."],
  "why.name": ["Test", "Prüfung"],
  "why.value": ["Found", "Gefunden"],
  "why.threshold": ["Against", "Gegen"],
  "why.holds": ["Holds", "Gilt"],
  "yes": ["yes", "ja"],
  "no": ["no", "nein"],
  "why.rule": ["{rule}, version {version}, {status}", "{rule}, Version {version}, {status}"],
  "status.open": ["open", "offen"],
  "status.cleared": ["cleared", "erledigt"],
  "status.closed": ["closed", "abgeschlossen"],

  "person.search": ["Person key", "Personenschlüssel"],
  "person.hint": ["32 hexadecimal characters, as tables and alerts show them. journeys identity show tells that of a customer number.",
    "32 hexadezimale Zeichen, wie Tabellen und Meldungen sie zeigen. Den einer Kundennummer nennt journeys identity show."],
  "person.open": ["Open", "Öffnen"],
  "person.bad": ["A person key has 32 characters from 0 to 9 and a to f; this has {n} characters.",
    "Ein Personenschlüssel hat 32 Zeichen aus 0 bis 9 und a bis f; das hier hat {n} Zeichen."],
  "person.nobody": ["Nobody with this key has touchpoints. If they were sent a moment ago: journeys wait tells when everything can be queried.",
    "Niemand mit diesem Schlüssel hat Kontaktpunkte. Falls sie eben erst geschickt wurden: journeys wait sagt, wann alles abfragbar ist."],
  "person.most": ["Who lost most", "Wer am meisten verlor"],
  "person.most.note": ["Persons are keyed hashes; nothing here tells who somebody is.",
    "Personen sind geschlüsselte Hashes; nichts hier verrät, wer jemand ist."],
  "person.sums": ["{touchpoints|touchpoint|touchpoints}, {journeys|journey|journeys}, {frictions|friction|frictions}, {minutes} min lost",
    "{touchpoints|Kontaktpunkt|Kontaktpunkte}, {journeys|Reise|Reisen}, {frictions|Reibung|Reibungen}, {minutes} min verloren"],
  "person.cut": ["Only the first {n} touchpoints are shown.", "Nur die ersten {n} Kontaktpunkte werden gezeigt."],
  "person.back": ["All persons", "Alle Personen"],
  "journey.title": ["Journey {n}: {topic}", "Reise {n}: {topic}"],
  "journey.no-topic": ["no topic", "ohne Thema"],
  "journey.none": ["In no journey", "In keiner Reise"],
  "journey.facts": ["{channels} · {status} · {duration} from first to last touchpoint · {minutes} min of effort",
    "{channels} · {status} · {duration} vom ersten bis zum letzten Kontaktpunkt · {minutes} min Aufwand"],
  "journey.said": ["Timeline: {n|touchpoint|touchpoints} on {channels}, {gaps|gap|gaps} of half an hour or more, the longest {longest}; {frictions|friction|frictions}. The table below has every step.",
    "Verlauf: {n|Kontaktpunkt|Kontaktpunkte} auf {channels}, {gaps|Lücke|Lücken} von einer halben Stunde oder mehr, die längste {longest}; {frictions|Reibung|Reibungen}. Die Tabelle darunter hat jeden Schritt."],
  "journey.between": ["between", "dazwischen"],
  "journey.gap": ["{duration} without any contact", "{duration} ohne Kontakt"],
  "journey.waited": ["waited {duration}", "wartete {duration}"],
  "journey.steps": ["Step by step", "Schritt für Schritt"],
  "journey.frictions": ["Frictions", "Reibungen"],
  "journey.more": ["{n|journey|journeys} without friction", "{n|Reise|Reisen} ohne Reibung"],
  "legend.inbound": ["customer to company", "Kunde an Firma"],
  "legend.outbound": ["company to customer", "Firma an Kunde"],
  "legend.internal": ["inside the company", "innerhalb der Firma"],
  "legend.gap": ["time between", "Zeit dazwischen"],
  "scale": ["Time axis", "Zeitachse"],
  "scale.true": ["to scale", "maßstäblich"],
  "scale.even": ["even steps", "gleiche Schritte"],
  "journey.outside": ["{n|journey|journeys} outside this period", "{n|Reise|Reisen} außerhalb dieses Zeitraums"],
  "legend.friction": ["friction", "Reibung"],
  "channel": ["Channel", "Kanal"],
  "before": ["Before it", "Davor"],
  "touchpoints.n": ["{n} touchpoints", "{n} Kontaktpunkte"],

  "span.title": ["What there is", "Was da ist"],
  "span.said": ["{n} touchpoints as stored, from {from} to {until} (UTC)",
    "{n} Kontaktpunkte, wie gespeichert, von {from} bis {until} (UTC)"],
  "checkpoints.title": ["How far each partition is", "Wie weit jede Partition ist"],
  "checkpoints.note": ["As the workers wrote it to ClickHouse. How many records wait in Kafka only the broker knows: journeys wait, or the workers' metrics.",
    "Wie die Worker es in ClickHouse schrieben. Wie viele Sätze in Kafka warten, weiß nur der Broker: journeys wait oder die Metriken der Worker."],
  "checkpoints.none": ["No worker has written anything yet: journeys status tells whether one runs.",
    "Noch kein Worker hat etwas geschrieben: journeys status sagt, ob einer läuft."],
  "group": ["Consumer group", "Consumer Group"],
  "topic": ["Topic", "Topic"],
  "partition": ["Partition", "Partition"],
  "offset": ["Durable up to offset", "Dauerhaft bis Offset"],
  "watermark": ["Watermark (UTC)", "Wasserstand (UTC)"],
  "behind": ["Behind the newest event", "Hinter dem neuesten Ereignis"],
  "written": ["Written (UTC)", "Geschrieben (UTC)"],
  "producers.title": ["Sources, and how late they are", "Quellen, und wie spät sie sind"],
  "producers.note": ["Late: appended to the log more than an hour after it happened; very late: more than 90 days. Imported history does not count. Duplicates leave no row; the workers' metrics count them.",
    "Spät: mehr als eine Stunde nach dem Ereignis ins Log geschrieben; sehr spät: mehr als 90 Tage. Importierte Vergangenheit zählt nicht. Doppelte hinterlassen keine Zeile; die Metriken der Worker zählen sie."],
  "producers.none": ["Nothing in this period.", "Nichts in diesem Zeitraum."],
  "source": ["Source", "Quelle"],
  "touchpoints": ["Touchpoints", "Kontaktpunkte"],
  "late": ["Late", "Spät"],
  "very-late": ["Very late", "Sehr spät"],
  "corrected": ["Clock corrected", "Uhr korrigiert"],
  "last-event": ["Last event (UTC)", "Letztes Ereignis (UTC)"],
  "dead.title": ["Dead letters, by reason", "Abgelehntes, nach Grund"],
  "dead.note": ["Records that could not be processed. Nothing is lost: journeys dead-letters list, replay, drop. By topic and not by producer: what cannot be read does not say who sent it.",
    "Sätze, die sich nicht verarbeiten ließen. Nichts ist verloren: journeys dead-letters list, replay, drop. Nach Topic und nicht nach Erzeuger: was sich nicht lesen lässt, sagt nicht, wer es geschickt hat."],
  "dead.none": ["None: everything that was sent could be read.", "Keine: alles Gesendete war lesbar."],
  "reason": ["Reason", "Grund"],
  "stage": ["Where", "Wo"],
  "field": ["Field", "Feld"],
  "records": ["Records", "Sätze"],
  "state": ["State", "Stand"],
  "last": ["Last (UTC)", "Zuletzt (UTC)"],
};

/** Patterns and other causes of lost minutes: English as the rule files have it, German. */
export const CAUSES = {
  asked_again: ["Asked for what was already given", "Nach schon Gesagtem gefragt"],
  bot_loop: ["Stuck with a bot", "Beim Bot hängen geblieben"],
  callback_missed: ["A promised call-back did not come", "Ein versprochener Rückruf blieb aus"],
  channel_redirect: ["Sent to another channel", "An einen anderen Kanal verwiesen"],
  complaint_after_resolution: ["A complaint after the matter was called resolved", "Beschwerde, nachdem es als gelöst galt"],
  contact_collision: ["Too much advertising at once", "Zu viel Werbung auf einmal"],
  context_loss: ["What was known stayed behind", "Bekanntes ging unterwegs verloren"],
  effort_budget_exceeded: ["A journey costs too much of the customer's time", "Eine Reise kostet den Kunden zu viel Zeit"],
  escalation: ["The customer escalates", "Der Kunde eskaliert"],
  false_containment: ["The bot said it was solved", "Der Bot hielt es für gelöst"],
  form_abandoned: ["A form that was left", "Ein verlassenes Formular"],
  form_burden: ["A form that is hard work", "Ein mühsames Formular"],
  gave_up_waiting: ["The customer gave up waiting", "Der Kunde gab das Warten auf"],
  handoff_chain: ["Handed on and on", "Immer weitergereicht"],
  login_loop: ["Cannot get in", "Kommt nicht hinein"],
  loop: ["Goes round in circles", "Dreht sich im Kreis"],
  opening_hours_gap: ["The customer came to a closed door", "Der Kunde stand vor verschlossener Tür"],
  payment_retry_loop: ["Pays and pays and it does not go through", "Zahlt und zahlt, und es geht nicht durch"],
  ping_pong: ["Passed back and forth", "Hin und her geschickt"],
  post_purchase_silence: ["Silence after buying", "Stille nach dem Kauf"],
  promise_broken: ["A promise was not kept", "Ein Versprechen wurde nicht gehalten"],
  rage_on_dead: ["Clicks and nothing happens", "Klickt, und nichts geschieht"],
  repeat_contact: ["Had to ask again", "Musste noch einmal fragen"],
  return_loop: ["Returned again, or no refund", "Wieder zurückgeschickt, oder keine Erstattung"],
  self_service_dead_end: ["Helping oneself led nowhere", "Selbsthilfe führte nirgendwohin"],
  status_chasing: ["The customer has to ask where it is", "Der Kunde muss nach dem Stand fragen"],
  survey_fatigue: ["Asked for an opinion too often or too early", "Zu oft oder zu früh nach der Meinung gefragt"],
  tone_deaf_contact: ["Advertising at the worst moment", "Werbung im falschen Moment"],
  treated_as_stranger: ["Treated as a stranger", "Wie ein Fremder behandelt"],
  unanswered_contact: ["A message stays without an answer", "Eine Nachricht bleibt ohne Antwort"],
  unprompted_switch: ["Tried again elsewhere", "Anderswo noch einmal versucht"],
  verification_loop: ["Identified again and again", "Immer wieder ausgewiesen"],
  wait_sum: ["The customer waits and waits", "Der Kunde wartet und wartet"],
  wait: ["Waiting", "Warten"],
};

const CHANNELS = {
  web: ["web", "Website"], app: ["app", "App"], email: ["e-mail", "E-Mail"], phone: ["phone", "Telefon"],
  ivr: ["phone menu", "Telefonmenü"], chat: ["chat", "Chat"], bot: ["bot", "Bot"], messenger: ["messenger", "Messenger"],
  social: ["social", "Social Media"], sms: ["SMS", "SMS"], push: ["push", "Push"], letter: ["letter", "Brief"],
  store: ["store", "Filiale"], kiosk: ["kiosk", "Terminal"], field: ["field service", "Außendienst"],
  form: ["form", "Formular"], portal: ["portal", "Portal"], partner: ["partner", "Partner"], api: ["API", "API"],
  review: ["review", "Bewertung"], other: ["other", "Sonstiges"],
};

let language = "en";

/** Language of the page from now on. */
export function speak(chosen) {
  language = chosen in LANGUAGES ? chosen : "en";
  document.documentElement.lang = language;
}

export function spoken() {
  return language;
}

function of(pair) {
  return pair[language === "de" ? 1 : 0];
}

/** Text of a key, with values filled in. */
export function w(key, values = {}) {
  const pair = WORDS[key];
  if (!pair) throw new Error(`no words for ${key}`);
  return of(pair).replaceAll(/\{(\w+)(?:\|([^|}]*)\|([^|}]*))?\}/g, (_, name, one, many) => {
    const value = values[name];
    const text = typeof value === "number" ? number(value, 1) : value;
    return many === undefined ? text : `${text} ${value === 1 ? one : many}`;
  });
}

export function cause(id) {
  if (!id || id === "unknown") return w("unknown");
  return id in CAUSES ? of(CAUSES[id]) : id.replaceAll("_", " ");
}

export function channelName(id) {
  if (!id) return w("unknown");
  return Object.hasOwn(CHANNELS, id) ? of(CHANNELS[id]) : id;
}

/** The sentence of a friction in the language of the page. */
export function sentence(friction) {
  return (language === "de" && friction.sentence_de) || friction.sentence_en;
}

/** What would have kept it from happening, in the language of the page; what is old is told in English alone. */
export function nearestMiss(friction) {
  return (language === "de" && friction.nearest_miss_de) || friction.nearest_miss;
}

export function status(id) {
  return ["open", "cleared", "closed"].includes(id) ? w(`status.${id}`) : id;
}

/** The reader's own way to write, where it is of the page's language: en-GB writes days otherwise than en-US. */
function locale() {
  return navigator.languages.find((each) => each.startsWith(language)) ?? (language === "de" ? "de-DE" : "en-GB");
}

export function number(value, digits = 0) {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(value);
}

export function share(part, whole) {
  return new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: 0 }).format(whole ? part / whole : 0);
}

function written(value, options) {
  return new Intl.DateTimeFormat(locale(), { timeZone: "UTC", ...options }).format(new Date(value));
}

export function day(value) {
  return written(value, { day: "numeric", month: "short", year: "numeric" });
}

export function shortDay(value) {
  return written(value, { day: "numeric", month: "short" });
}

export function moment(value) {
  if (!value) return "–";
  return written(value, { day: "2-digit", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hour12: false });
}

export function clock(value) {
  return written(value, { hour: "2-digit", minute: "2-digit", hour12: false });
}

/** A duration in its two largest units: `2 d 3 h`, `45 min`. */
export function duration(milliseconds) {
  const minutes = Math.round(milliseconds / 60_000);
  const d = language === "de" ? "T" : "d";
  const [days, hours, rest] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24, minutes % 60];
  if (days) return hours ? `${days} ${d} ${hours} h` : `${days} ${d}`;
  if (hours) return rest ? `${hours} h ${rest} min` : `${hours} h`;
  return `${rest} min`;
}
