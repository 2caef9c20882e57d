--- The first screen: how it went, who, what, when, by whom, and what was given against what was planned.
local begins = require "moonpulse.record.begins"
local facts = require "moonpulse.report.facts"
local html = require "moonpulse.report.html"
local intensity = require "moonpulse.report.intensity"
local layers = require "moonpulse.record.verdict_layers"
local record = require "moonpulse.record.read"
local text = require "moonpulse.drawing.text"

local M = {}

local get, escape = record.get, text.escape

local headline = { good = "AS PLANNED", note = "WITH NOTES", bad = "NOT NORMAL" }

--- The share that was given, as a shape: filled is given, empty is not.
local function ratio(s)
  if not s.planned or s.planned <= 0 then
    return ""
  end
  local given = math.min(1, s.sent / s.planned)
  return ('<svg class="ratio" viewBox="0 0 600 12" preserveAspectRatio="none" role="img" '
    .. 'aria-label="%s of %s given"><path class="axis" vector-effect="non-scaling-stroke" '
    .. 'd="M.5 .5h599v11h-599z"/>'
    .. '<path class="fill" d="M0 0h%.1fv12H0z"/></svg>'):format(text.count(s.sent), text.count(s.planned),
    given * 600)
end

--- How good the news is, in words, with the words of what made it so.
---@param sentence string the verdict: its own word is its beginning in capitals
---@param level "good"|"note"|"bad"
---@param alerts table[] from `alerts.of`
---@return string
function M.headline(sentence, level, alerts)
  local own, seen = sentence:match("^(%u[%u ]+%u)%f[%W]"), {}
  local words = { own and #own <= 40 and own or nil }
  for _, alert in ipairs(alerts) do
    if alert.level == level and not seen[alert.word] then
      seen[alert.word], words[#words + 1] = true, alert.word
    end
  end
  return headline[level] .. (#words > 0 and ": " .. table.concat(words, ", ") or "")
end

--- The banner: a word and a shape for how good the news is, the sentence, and what cannot look normal.
---@param s table from `summary.compute`
---@param sentence string
---@param level "good"|"note"|"bad"
---@param alerts table[] from `alerts.of`
---@return string
function M.banner(s, sentence, level, alerts)
  local out = { ('<section class="banner %s" aria-label="Verdict"><div class="head">%s<strong class="word">'
    .. "%s</strong></div>"):format(level, html.icon(level), escape(M.headline(sentence, level, alerts))),
    html.p(sentence, "verdict " .. level), ratio(s) }
  if #alerts > 0 then
    out[#out + 1] = '<ul class="alerts">'
    for _, alert in ipairs(alerts) do
      out[#out + 1] = ('<li class="%s">%s<span><strong>%s</strong> %s</span></li>'):format(alert.level,
        html.icon(alert.level), escape(alert.word), escape(alert.text))
    end
    out[#out + 1] = "</ul>"
  end
  out[#out + 1] = "</section>"
  return table.concat(out, "\n")
end

--- The name, model and serial number of one device.
local function one_device(of)
  local name = text.value(get(of, "description"))
  local model = text.value(get(of, "model"))
  if name == text.missing then
    name = text.value(get(of, "name"))
  end
  if model ~= text.missing and not name:find(model, 1, true) then
    name = name == text.missing and model or name .. " " .. model
  end
  if name == text.missing then
    return nil
  end
  local serial = get(of, "serial")
  return ("%s%s"):format(name, serial and ", serial number " .. text.value(serial) or "")
end

local function device(manifest)
  local of, list = get(manifest, "device"), {}
  local several = get(manifest, "device.devices")
  for _, each in ipairs(type(several) == "table" and several or {}) do
    local name = type(each) == "table" and one_device(each)
    list[#list + 1] = name and ("%s: %s"):format(text.value(each.place), name) or nil
  end
  local name = list[1] and table.concat(list, "; ") or type(of) == "table" and one_device(of)
  return name and (get(manifest, "device.simulated") == true and "SIMULATED " or "") .. name or nil
end

local function what(manifest, s)
  local id = text.value(get(manifest, "protocol.id"))
  local pulses = s.planned and not facts.is_experiment(manifest) and text.counted(s.planned, "pulse")
  return id ~= text.missing and (pulses and ("%s, %s"):format(id, pulses) or id) or nil
end

--- What judges beside the tables, where it is not within.
local function others_words(verdicts)
  local parts = {}
  for _, layer in ipairs(layers.others) do
    parts[#parts + 1] = verdicts[layer] and ("; %s %s"):format(layer == "lab" and "lab's limits" or layer,
      text.value(verdicts[layer]))
  end
  return table.concat(parts)
end

local function guidelines(manifest)
  local verdicts = layers.of(manifest)
  local of, lab = get(manifest, "safety.table"), get(manifest, "safety.lab")
  return verdicts and ("%s (%s%s%s)%s%s"):format(text.value(verdicts.guidelines), text.value(of),
    lab and "; lab: " .. text.value(lab) or "",
    get(manifest, "safety.warning") and "; see the note under Safety" or "",
    others_words(verdicts), next(facts.nerves(manifest)) and "; nerve stimulation not judged" or "") or nil
end

--- How many event codes the box beside the recording got.
local function codes_words(s)
  local sent, lost = s.codes.sent, s.codes.lost
  return sent + lost > 0 and ("%s of %s given to the box%s"):format(text.count(sent),
    text.count(sent + lost), lost > 0 and "; the others did not reach it" or "") or nil
end

local function override_words(manifest)
  local override = facts.override(manifest)
  if not override then
    return type(get(manifest, "safety")) == "table" and "none" or nil
  end
  local by = text.value(override.by)
  return ("%s (%s%s)"):format(text.value(override.reason), by == text.missing and "by whom is not recorded"
    or "by " .. by, override.at and ", " .. facts.time(override.at) or "")
end

--- Which session it was. A simulated run is none: nobody was stimulated, and it counts for nobody.
local function session_words(manifest)
  if get(manifest, "device.simulated") == true then
    return " (named only: a simulated run is no session)"
  end
  if get(manifest, "status") == "not run" then
    return " (nothing was given: it is no session)"
  end
  local session = facts.session(manifest)
  return session and ", session " .. session or ""
end

--- Who, what, when, with what, by whom.
---@param manifest table
---@param s table
---@return string
function M.key(manifest, s)
  local participant = facts.participant(manifest)
  local known = type(get(manifest, "safety")) == "table"
  local rows = {
    { "Participant", participant and text.value(participant) .. session_words(manifest) },
    { "Operator", facts.operator(manifest) },
    { "Protocol", what(manifest, s) },
    { "Started", facts.time(get(manifest, "started")) },
    { "Took", facts.length(manifest, s) },
    { "Device", device(manifest) },
    { "Event codes", codes_words(s) },
    { "Safety verdict", guidelines(manifest) },
    { "Override", override_words(manifest) },
    { "Approval", facts.approval(manifest) or known and "none on record" or nil },
  }
  local begun = begins.words(manifest)
  if begun then
    table.insert(rows, 4, { "Began with", begun })
  end
  return html.terms(rows)
end

local function difference(given, planned, unit)
  local more = given - planned
  if math.abs(more) < 1e-9 then
    return "none"
  end
  return ("%s %s %s"):format(text.plain(math.abs(more), 3), unit, more > 0 and "more" or "less")
end

local function pulses_row(s, is_experiment)
  local planned = s.planned and text.count(s.planned) or text.missing
  local words = not s.planned and "–" or s.sent == s.planned and "none" or ("%s %s"):format(
    text.count(math.abs(s.sent - s.planned)), s.sent < s.planned and "NOT GIVEN" or "MORE")
  return { is_experiment and "Pulses asked for by the script" or "Pulses", planned, text.count(s.sent),
    words }
end

local function span_row(manifest, s)
  local planned = text.number(get(manifest, "protocol.first_to_last_s"))
  if facts.is_experiment(manifest) or not planned then
    return nil
  elseif s.time == "virtual" or not s.span then
    return { "First to last pulse", text.seconds(planned),
      s.time == "virtual" and "not measured (virtual time)" or "–", "–" }
  end
  local sent = s.span.sent / 1e6
  return { "First to last pulse", text.seconds(planned), text.seconds(tonumber(("%.3f"):format(sent))),
    math.abs(sent - planned) < 0.9995e-3 and "under 1 ms" or difference(sent, planned, "s") }
end

--- What was given against what was planned.
---@param manifest table
---@param s table
---@return string
function M.given(manifest, s)
  local rows = { pulses_row(s, facts.is_experiment(manifest)) }
  rows[#rows + 1] = { "Confirmed by the device", "–", text.count(s.confirmed), s.cannot_confirm
    and "this device cannot confirm pulses" or s.confirmed == s.sent and "none"
    or s.unconfirmable > 0 and ("%s of %s, which cannot confirm%s"):format(text.count(s.unconfirmable),
      escape(table.concat(s.silent_names, ", ")), s.confirmed < s.sent - s.unconfirmable
      and ("; %s not confirmed"):format(text.count(s.sent - s.unconfirmable - s.confirmed)) or "")
    or ("%s not confirmed"):format(text.count(s.sent - s.confirmed)) }
  local row, of_nerve = intensity.given_rows(manifest, s)
  rows[#rows + 1], rows[#rows + 2] = row, of_nerve
  rows[#rows + 1] = span_row(manifest, s)
  return html.grid("Given against " .. s.wanted, { "", "#" .. s.wanted:gsub("^%l", string.upper), "#Given",
    "Difference" }, rows, "given")
end

return M
