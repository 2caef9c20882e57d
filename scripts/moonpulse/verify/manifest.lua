--- manifest.json against what else in the folder says the same: the first and the last lines of the journal,
--- and the rows of events.tsv. Whoever edits it and closes the folder again leaves these behind.
local clock = require "moonpulse.safety.clock"
local counted_rows = require "moonpulse.verify.counted_rows"
local edited = require "moonpulse.safety.edited"
local ends = require "moonpulse.verify.ends"
local plans = require "moonpulse.verify.plan"
local read = require "moonpulse.record.read"
local value_words = require "moonpulse.text.value_words"

local M = {}

local said = value_words.plain
local name = "manifest.json"
local count_names = { "sent", "confirmed", "skipped" }

--- What a damaged or a foreign file has in place of a table has no fields.
local function table_of(value)
  return type(value) == "table" and value or {}
end

local function differ(findings, field, now, before, where)
  findings:differ(name, nil, "%s is %s, and %s in %s", field, said(now), said(before), where)
end

local function line_of(number)
  return ("line %d of journal.jsonl"):format(number)
end

--- Times of one moment: who reads them rounds, and a disk that hangs lies between.
local function check_time(findings, field, text, at, where)
  local now, before = clock.seconds_of(text), clock.seconds_of(at)
  if before and (not now or math.abs(now - before) > edited.skew_s) then
    differ(findings, field, text, at, where)
  end
end

--- A seed as its digits; nil: the reader of JSON cannot tell.
local function digits_of(seed)
  return math.tointeger(seed) and ("%d"):format(math.tointeger(seed))
    or type(seed) == "string" and not seed:find("^about ") and seed or nil
end

--- The first line says what was run, when, and for whom.
local function check_begin(lines, manifest, findings)
  local first = lines[1] and lines[1].entry
  if not first then
    return
  elseif first.kind ~= "begin" then
    return findings:differ("journal.jsonl", 1, "it is not the run's beginning: the lines before it are lost")
  end
  local device, then_device = table_of(manifest.device), table_of(first.device)
  local begins, then_begins = table_of(manifest.begins_at), table_of(first.begins_at)
  local by, seed = table_of(manifest.moonpulse), digits_of(manifest.seed)
  local now_virtual = manifest.speed ~= nil and manifest.speed ~= 1
  local was_virtual = table_of(first.options).speed ~= 1
  for _, fact in ipairs { { "participant", manifest.participant, first.participant },
    { "device.name", device.name, then_device.name },
    { "moonpulse.version", by.version, first.moonpulse },
    { "moonpulse.commit", first.commit and by.commit, first.commit },
    { "device.simulated", tostring(device.simulated == true), tostring(then_device.simulated == true) },
    { "speed", now_virtual and "virtual" or 1, was_virtual and "virtual" or 1 },
    { "begins_at.what", begins.what, then_begins.what },
    { "begins_at.number", begins.number, then_begins.number },
    { "begins_at.continues", begins.continues, then_begins.continues },
    { "begins_at.pulses_before", begins.pulses_before, then_begins.pulses_before },
    { "begins_at.left_out", begins.left_out, then_begins.left_out },
    { "begins_at.marks_left_out", begins.marks_left_out, then_begins.marks_left_out },
    { "begins_at.pulses_planned", begins.pulses_planned, then_begins.pulses_planned },
    { "seed", seed, (seed or manifest.seed == nil) and digits_of(first.seed) or seed } } do
    if said(fact[2]) ~= said(fact[3]) then
      differ(findings, fact[1], fact[2], fact[3], line_of(1))
    end
  end
  check_time(findings, "started", manifest.started, first.at, line_of(1))
  check_time(findings, "clock.start.wall", read.get(manifest, "clock.start.wall"), first.at, line_of(1))
end

--- The name of the file that was run, against the one that is kept.
local function check_file(manifest, findings)
  local field = manifest.kind == "experiment" and "experiment.file" or "protocol.file"
  local file = read.get(manifest, field) or read.get(manifest, "protocol.file")
  local ending, kept = plans.kept_ending(manifest)
  if type(file) == "string" and kept and file:match("%.%w+$") ~= ending then
    differ(findings, field, file, kept, "files")
  end
end

--- The line that says how the run ended, or, of one that was killed, what was recovered of it last; and the
--- line of the two that is the last: of a run that was killed behind its end its status is recover's.
local function end_of(lines)
  local entry, number, last, last_number
  for i, line in ipairs(lines) do
    local kind = line.entry and line.entry.kind
    if kind == "end" or kind == "recovered" then
      last, last_number = line.entry, i
      if kind == "end" or not entry or entry.kind ~= "end" then
        entry, number = line.entry, i
      end
    end
  end
  return entry, number, last, last_number
end

local function check_status(manifest, entry, number, findings)
  local status = entry.status or entry.new
  local of_result = entry.kind == "end" and read.get(manifest, "result.status") or status
  for field, now in pairs { status = manifest.status ~= "not run" and manifest.status or status,
    ["result.status"] = of_result } do
    if status and status ~= now then
      differ(findings, field, now, status, line_of(number))
    end
  end
  local sent = tonumber(entry.sent) or 0
  if manifest.status == "not run" and (status == "completed" or sent > 0) then
    differ(findings, "status", manifest.status, ("%s, with %s pulses"):format(said(status), sent),
      line_of(number))
  end
end

--- The gate's judgement, and what was allowed to be passed. Older versions did not write it into the journal.
local function check_safety(manifest, told, where, findings)
  if type(told) ~= "table" then
    return
  end
  local safety = table_of(manifest.safety)
  for field, pair in pairs { verdict = { safety.verdict, told.verdict },
    approval = { safety.approval, told.approval },
    ["override.reason"] = { table_of(safety.override).reason, told.override } } do
    if said(pair[1]) ~= said(pair[2]) then
      differ(findings, "safety." .. field, pair[1], pair[2], where)
    end
  end
  local now, before = table_of(safety.findings), table_of(told.findings)
  for i = 1, math.max(#now, #before) do
    local each = table_of(now[i])
    local sentence = now[i] ~= nil and ("%s: %s"):format(said(each.verdict), said(each.text)) or nil
    if sentence ~= before[i] then
      differ(findings, ("safety.findings[%d]"):format(i), sentence, before[i], where)
    end
  end
end

local function check_end(lines, manifest, findings)
  local entry, number, last, last_number = end_of(lines)
  if not entry then
    return findings:differ("journal.jsonl", nil, "no line of it says how the run ended, and manifest.json "
      .. "says %s", said(manifest.status))
  end
  for _, told in ipairs(count_names) do
    local now = read.get(manifest, "result.pulses_" .. told)
    if entry[told] and now and entry[told] ~= now then
      differ(findings, "result.pulses_" .. told, now, entry[told], line_of(number))
    end
  end
  check_safety(manifest, entry.safety, line_of(number), findings)
  check_status(manifest, last, last_number, findings)
  for _, each in ipairs(ends.otherwise(manifest, lines, entry, number, last == entry)) do
    differ(findings, each.field, each.now, each.before, line_of(each.line))
  end
  if last.kind == "end" then
    check_time(findings, "ended", manifest.ended, last.at, line_of(number))
    check_time(findings, "clock.end.wall", read.get(manifest, "clock.end.wall"), last.at, line_of(number))
  end
end

local short = { yes = "y", no = "n" }

--- An answer as the manifest has it.
local function answer_of(text)
  local plain = said(text):lower():match("^%s*(.*%S)") or ""
  return short[plain] or plain
end

--- The answers to the questions before the run.
local function check_preflight(lines, manifest, findings)
  local answers, asked, count = {}, {}, 0
  for i, line in ipairs(lines) do
    local entry = line.entry or {}
    asked[entry.kind == "question" and entry.text or false] = true
    if entry.kind == "answer" and entry.of == "preflight" and not asked[entry.question or false] then
      findings:differ("journal.jsonl", i, "it answers a question that no line before it asks")
    end
    if entry.kind == "answer" and entry.of == "preflight" and type(entry.question) == "string" then
      local question, of_choices = entry.question:gsub(" %[[^%[%]]*%] $", "")
      count = count + ((math.tointeger(entry.try) or 1) > 1 and 0 or of_choices) -- mistyped, and asked again
      answers[question] = { text = entry.answer, line = i, source = entry.source }
    end
  end
  for i, each in ipairs(table_of(manifest.preflight)) do
    each = table_of(each)
    local told = answers[each.question]
    if not told and i > count then
      differ(findings, ("preflight[%d].answer"):format(i), each.answer, nil, "journal.jsonl")
    elseif told and answer_of(told.text) ~= answer_of(each.answer) then
      differ(findings, ("preflight[%d].answer"):format(i), each.answer, told.text, line_of(told.line))
    elseif told and told.source and (each.source or "operator") ~= told.source then
      differ(findings, ("preflight[%d].source"):format(i), each.source, told.source, line_of(told.line))
    end
  end
end

--- The thresholds that the operator gave with the command.
local function check_thresholds(lines, manifest, findings)
  local first = table_of(lines[1] and lines[1].entry)
  local options, devices = table_of(first.options), {}
  for _, each in ipairs(table_of(first.devices)) do
    devices[said(table_of(each).place)] = each
  end
  for i, line in ipairs(lines) do
    local entry = line.entry or {}
    local key = entry.kind == "threshold" and entry.how == "given" and said(entry.name):lower()
    if key and entry.device ~= nil then -- of one of several: its own in the manifest is told by the last line
      local own = table_of(devices[said(entry.device)])[key]
      if own ~= entry.new then
        findings:differ("journal.jsonl", i, "the %s of %s is %s, and %s in line 1", key:upper(),
          said(entry.device), said(entry.new), said(own))
      end
      key = false
    end
    if key and options[key] ~= entry.new then
      findings:differ("journal.jsonl", i, "the %s is %s, and %s in line 1", key:upper(), said(entry.new),
        said(options[key]))
    end
    if key and manifest.kind ~= "experiment" then -- a script may find another
      local value = read.get(manifest, "thresholds." .. key)
      value = type(value) == "table" and value.value or value
      if value ~= entry.new then
        differ(findings, "thresholds." .. key, value, entry.new, line_of(i))
      end
    end
  end
end

local function check_counts(events, manifest, findings)
  local counts = counted_rows.of(events)
  if counts and manifest.status == "not run" and counts.sent > 0 then
    differ(findings, "status", manifest.status, ("%d pulses"):format(counts.sent), "the rows of events.tsv")
  end
  for _, told in ipairs(counts and count_names or {}) do
    local now = read.get(manifest, "result.pulses_" .. told)
    if now == nil and manifest.status ~= "not run" or now and now ~= counts[told]
      or now == nil and counts[told] > 0 then
      differ(findings, "result.pulses_" .. told, now, counts[told], "the rows of events.tsv")
    end
  end
end

--- Check the manifest of a run that has ended and whose journal has a chain.
---@param manifest table
---@param lines moonpulse.ChainLine[] the journal
---@param events string? the path of events.tsv; nil: it is damaged, which is told elsewhere
---@param findings moonpulse.VerifyFindings
function M.check(manifest, lines, events, findings)
  local before = #findings.differs
  check_begin(lines, manifest, findings)
  check_file(manifest, findings)
  check_end(lines, manifest, findings)
  check_preflight(lines, manifest, findings)
  check_thresholds(lines, manifest, findings)
  if events then
    check_counts(events, manifest, findings)
  end
  if #findings.differs == before then
    findings:check("manifest.json says what the journal and the rows of events.tsv say: when, for whom, how "
      .. "many, how it ended")
  end
end

return M
