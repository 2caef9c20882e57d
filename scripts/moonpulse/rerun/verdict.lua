--- Was it the same again? Plan, what the simulator was sent, decisions and rows. Nobody can stop a run again
--- at the instant at which somebody did: of one that was stopped or killed what came before is compared.
local before = require "moonpulse.rerun.before"
local cell_text = require "moonpulse.text.cell_text"
local compare = require "moonpulse.compare"
local core = require "moonpulse.core"
local decisions = require "moonpulse.compare.decisions"
local ended_lines = require "moonpulse.text.ended_lines"
local journal_lines = require "moonpulse.record.journal_lines"
local lfs = require "lfs"
local numbers = require "moonpulse.text.numbers"
local replay = require "moonpulse.verify.replay"
local rows = require "moonpulse.verify.rows"
local sides = require "moonpulse.compare.side"

local M = {}

local get = require("moonpulse.record.read").get

---@class moonpulse.Judged
---@field what string "plan", "events.tsv", ...
---@field same boolean? nil: it cannot be said
---@field text string

local most_bytes = 2000000000

local function read(folder, name)
  return lfs.symlinkattributes(folder .. "/" .. name, "mode") == "file"
    and core.read_file(folder .. "/" .. name, most_bytes) or nil
end

--- The number of the first line that differs.
local function first_difference(a, b)
  local next_a, next_b, number = ended_lines.of(a), ended_lines.of(b), 0
  while true do
    local x, y = next_a(), next_b()
    number = number + 1
    if x ~= y or not x then
      return number
    end
  end
end

--- A table without what a script's messages say of where its files were.
local function without_places(text)
  if not text:find("%.lua:%d+:") then
    return text
  end
  return (text:gsub("[^\t\n]+", function(cell) -- a pattern of all of it would be tried from each byte on
    return cell:find("%.lua:%d+:") and sides.without_place(cell) or nil
  end))
end

local function judge_file(found, name, a, b)
  local same, but = a == b, ""
  if not same and without_places(a) == without_places(b) then
    same, but = true, ", but for a file's place in a message"
  end
  found[#found + 1] = { what = name, same = same, text = same
    and ("the same bytes%s (%s)"):format(but, numbers.counted(select(2, a:gsub("\n", "")), "line"))
    or ("differs from line %d on"):format(first_difference(a, b)) }
end

--- The commands that a simulator was sent, in order, without what only asks: how often that is depends on
--- time; and how many there were when it gave its last pulse, of a command, a trigger or a train of its own.
local function commands(text)
  local list, last = {}, 0
  for event, bytes in text:gmatch("\n[^\t\n]*\t([^\t\n]*)\t([^\t\n]*)") do
    list[#list + 1] = event ~= "get" and bytes ~= "n/a" and bytes ~= "" and bytes or nil
    last = event == "pulse" and #list or last
  end
  return list, last
end

--- What one simulator was sent; place: which of several it was.
local function judge_commands(found, a, b, stopped, place)
  local x, last = commands(a)
  local y = commands(b)
  if stopped then
    x, y = table.move(x, 1, last, 1, {}), table.move(y, 1, math.min(last, #y), 1, {})
  end
  local same, of = table.concat(x, " ") == table.concat(y, " "), place and place .. " " or ""
  if #x == 0 then
    found[#found + 1] = { what = "simulator", text = of
      .. "twin.tsv has no command: nothing to compare" }
  else
    found[#found + 1] = { what = "simulator", same = same, text = of .. (same
      and ("was sent the same bytes (%s%s)"):format(numbers.counted(#x, "command"),
        stopped and ", up to its last pulse" or "")
      or ("was sent other bytes: %s, and %s"):format(numbers.counted(#x, "command"),
        numbers.counted(#y, "command"))) }
  end
end

local function judge_plan(found, a, b)
  local x, y = a:match("sha256 (%x+)\n$"), b:match("sha256 (%x+)\n$")
  found[#found + 1] = { what = "plan", same = x ~= nil and x == y, text = x ~= nil and x == y
    and "the same, SHA-256 " .. x or ("another: SHA-256 %s, and %s"):format(tostring(x), tostring(y)) }
end

--- The lines of a folder's journal; false: that one cannot be read.
local function journal_of(folder)
  local entries = {}
  for i, line in ipairs((journal_lines.of(read(folder, "journal.jsonl") or ""))) do
    entries[i] = line.entry or false
  end
  return entries
end

--- What the two scripts decided; of a run that was stopped or killed until then.
local function judge_decisions(found, a, b, is_real)
  local entries = journal_of(a)
  local x, whole = decisions.until_stop(entries, decisions.of(entries), is_real)
  local at = decisions.difference(x, decisions.of(journal_of(b)), { whole = whole, parts = is_real })
  found[#found + 1] = { what = "decisions", same = at == nil, text = at
    and ("differ from line %d of the journal on: %s"):format((at.a or at.b).line, decisions.words(at.a, at.b,
      "again it is"))
    or ("the same (%s%s)"):format(numbers.counted(#x, "line") .. " of the journal",
      whole and "" or ", until it was stopped") }
end

local function is_virtual(manifest)
  return manifest.speed ~= nil and manifest.speed ~= 1
end

--- Marks that say nothing of what was given are left out: those of what came faster than it was listened to,
--- or before, which is the computer's timing; and those that a stopped run told behind its stop, as the sum
--- of its triggers is, which are its end's.
---@param marks string[] of events.tsv
---@param folder string
---@param is_real boolean
---@param stopped boolean? also those behind the stop
local function leave_marks(marks, folder, is_real, stopped)
  local entries, left = journal_of(folder), {}
  local stop = stopped and select(3, decisions.until_stop(entries, {}, is_real)) or #entries
  for number, entry in ipairs(entries) do
    local of = entry and entry.kind == "mark" and entry.of
    local is_passed = is_real and type(of) == "table" and of.passed_over == true
    if entry and entry.kind == "mark" and (is_passed or number > stop) then
      local text = sides.without_place(cell_text.written(tostring(entry.text)))
      left[text] = (left[text] or 0) + 1
    end
  end
  local kept = {}
  for i = #marks, 1, -1 do -- the last ones of a text
    local count = left[marks[i]] or 0
    left[marks[i]] = count - 1
    kept[#kept + 1] = count <= 0 and marks[i] or nil
  end
  for i = 1, #marks do
    marks[i] = kept[#kept + 1 - i]
  end
end

--- Of a pulse it is no longer said whether it was given.
---@param pulses moonpulse.ComparedPulses
---@param i integer
---@param made table<integer, integer> by a kind's number that of the same without what was given; grows
local function leave_unsaid(pulses, i, made)
  local number = pulses.kind[i]
  if not made[number] then
    local kind = {}
    for key, value in pairs(pulses.kinds[number]) do
      kind[key] = value
    end
    kind.given, kind.status = nil, nil
    made[number] = #pulses.kinds + 1
    pulses.kinds[made[number]] = kind
  end
  pulses.kind[i] = made[number]
end

--- On several devices each came to an end of its own: of pulses behind the last that one of them gave, while
--- others went on, it counts for nothing whether they were given. In words: which ended sooner.
local function end_each(pulses, last, devices)
  local place_of, last_of, sooner, made = {}, {}, {}, {}
  for _, each in ipairs(type(devices) == "table" and devices or {}) do
    local channels = type(each) == "table" and each.channels
    for _, channel in ipairs(type(channels) == "table" and channels or {}) do
      place_of[channel] = each.place
    end
  end
  for i = 1, last do
    local kind = pulses.kinds[pulses.kind[i]]
    local place = place_of[kind.channel or false]
    if place and kind.given == "given" then
      last_of[place] = i
    end
  end
  for i = 1, last do
    local place = place_of[pulses.kinds[pulses.kind[i]].channel or false]
    if place and i > (last_of[place] or 0) then
      leave_unsaid(pulses, i, made)
      sooner[place] = true
    end
  end
  local words = {}
  for _, each in ipairs(next(sooner) and devices or {}) do
    local own = last_of[each.place]
    words[#words + 1] = sooner[each.place] and (", of %s %s"):format(each.place, own and "with pulse "
      .. numbers.count(own) or "before its first pulse") or nil
  end
  return table.concat(words)
end

--- Cut both behind the last pulse that a run gave which was stopped or killed, or which its device's own
--- fault ended: what its end did to those that followed, and how it ended, is not the plan's.
local function cut(found, one, other, faulted, devices)
  local pulses = one.pulses
  local last = pulses.count
  while last > 0 and pulses.kinds[pulses.kind[last]].given ~= "given" do
    last = last - 1
  end
  local sooner = end_each(pulses, last, devices)
  found[#found + 1] = { what = "end", same = true, text = ("the run ended early, %s (%s)%s; this one has %s: "
    .. "what is compared ends there%s"):format(last == 0 and "before its first pulse"
      or "with pulse " .. numbers.count(last), one.facts.ended or "how is not known", faulted
      and ", by the device's own fault, which is not done again" or "",
    numbers.counted(other.pulses.count, "pulse"), sooner) }
  for _, side in ipairs { one, other } do
    side.pulses.count = math.min(side.pulses.count, last)
    table.move({}, 1, #side.marks - #one.marks, #one.marks + 1, side.marks)
    while side.plans and (side.plans[#side.plans] or 0) > last do
      table.remove(side.plans)
    end
  end
  for _, key in ipairs { "staircases", "hunts", "curves" } do
    local finished = 0
    while one[key][finished + 1] and one[key][finished + 1] ~= sides.unfinished do
      finished = finished + 1
    end
    for _, side in ipairs { one, other } do
      side.facts[key] = finished > 0 and table.concat(side[key], ", ", 1,
        math.min(finished, #side[key])) or nil
    end
  end
  one.facts.ended = nil -- how the other one ended is told, and counts for nothing
end

--- Of two runs in virtual time of which the first was stopped: its rows until a second before, byte for byte.
local function judge_rows_until(found, a, b)
  local upto = replay.until_stop(a)
  local next_a, next_b = ended_lines.of(a), ended_lines.of(b)
  for number = 1, upto do
    if next_a() ~= next_b() then
      found[#found + 1] = { what = "events.tsv", same = false,
        text = ("differs from line %d on"):format(number) }
      return
    end
  end
  found[#found + 1] = { what = "events.tsv", same = upto > 0 or nil, text = upto > 0
    and ("the same bytes until a second before it was stopped (%s)"):format(numbers.counted(upto, "line"))
    or "it was stopped within a second: nothing to compare" }
end

--- What the simulators of a run saw, of each device; nil: there was none.
local function twins(folder, manifest)
  local parts = {}
  for _, name in ipairs(rows.of_devices(manifest, "twin.tsv")) do
    local text = read(folder, name)
    parts[#parts + 1] = text and { place = name:match("^(.*)/twin%.tsv$"), text = text }
  end
  return parts[1] and parts
end

local function one_text(parts)
  local texts = {}
  for i, part in ipairs(parts or {}) do
    texts[i] = part.text
  end
  return table.concat(texts)
end

--- Each simulator's commands, in the order of the devices: each had its own last pulse.
local function judge_all_commands(found, sent, sent_again, stopped)
  for i = 1, math.max(#sent, #sent_again) do
    local one, again = sent[i], sent_again[i]
    judge_commands(found, one and one.text or "", again and again.text or "", stopped, (one or again).place)
  end
end

--- Judge the run in folder against that of recipe.
---@param recipe moonpulse.Recipe
---@param folder string
---@param manifest table of the new run
---@return moonpulse.Judged[]
---@return moonpulse.Comparison? comparison of the rows
---@return string? message why there is none
---@return boolean? stopped the run was stopped or killed, or its device's own fault ended it, and not this
---   one: what is compared ends with its last pulse
function M.judge(recipe, folder, manifest)
  local found, a = {}, recipe.folder
  local both_virtual = is_virtual(recipe.manifest) and is_virtual(manifest)
    and recipe.begin.options.recalled ~= true -- it has the times of the run that it repeated
  local plan, again = read(a, "resolved.plan"), read(folder, "resolved.plan")
  if plan and again then
    judge_plan(found, plan, again)
  end
  local sent, sent_again = twins(a, recipe.manifest), twins(folder, manifest)
  local faulted = before.is_devices_fault(recipe)
    and get(manifest, "result.stop") ~= get(recipe.manifest, "result.stop")
  local stopped = faulted or replay.was_stopped(recipe.manifest)
  if both_virtual and stopped then
    judge_rows_until(found, read(a, "events.tsv") or "", read(folder, "events.tsv") or "")
  elseif both_virtual then
    judge_file(found, "events.tsv", read(a, "events.tsv") or "", read(folder, "events.tsv") or "")
    if sent or sent_again then
      judge_file(found, "twin.tsv", one_text(sent), one_text(sent_again))
    end
  end
  if (stopped or not both_virtual) and sent and sent_again then
    judge_all_commands(found, sent, sent_again, stopped)
  end
  if recipe.is_experiment then
    judge_decisions(found, a, folder, not both_virtual)
  end
  local one, why = sides.of_run(a, a)
  local other, why_not = sides.of_run(folder, folder)
  if not (one and other) then
    return found, nil, why or why_not
  end
  -- a script's waits in real time are its computer's
  one.live = one.live or recipe.is_experiment and not both_virtual
  leave_marks(one.marks, a, not both_virtual, stopped)
  leave_marks(other.marks, folder, not both_virtual)
  if stopped then
    cut(found, one, other, faulted, recipe.begin.devices)
  end
  return found, compare.compare(one, other, true), nil, stopped -- another device was told before
end

return M
