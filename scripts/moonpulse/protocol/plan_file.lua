--- Plans as files: a documented, canonical, line-based text with its SHA-256 (docs/plan-files.md).
--- Structure is kept, equal parts are written once, so a plan of any length stays small.
local cell_text = require "moonpulse.text.cell_text"
local checks = require "moonpulse.compose.check"
local core = require "moonpulse.core"
local escaped = require "moonpulse.text.escapes"
local in_order = require "moonpulse.text.in_order"
local outline = require "moonpulse.show.outline"
local protocols = require "moonpulse.protocol"
local sha256 = require "moonpulse.text.sha256"
local text_files = require "moonpulse.text.text_file"

local M = {}

-- 2: with labels, or roles of parts; 3: with rests that are not drawn all alike; else it is written as ever
local FORMAT, FORMAT_2, FORMAT_3, FORMAT_4 = "moonpulse-plan 1", "moonpulse-plan 2", "moonpulse-plan 3",
  "moonpulse-plan 4"
local known = { [FORMAT] = true, [FORMAT_2] = true, [FORMAT_3] = true, [FORMAT_4] = true }

--- SHA-256 in hexadecimal digits.
M.sha256 = sha256.of

-- Writing --------------------------------------------------------------------------------------------

local escapes = { ["\\"] = "\\\\", ["\""] = "\\\"", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function quoted(text)
  return "\"" .. text:gsub("[\\\"%c]", function(char)
    return escapes[char] or ("\\x%02x"):format(char:byte())
  end) .. "\""
end

local function exact(view, key)
  return view[key] or error({ code = "limit", message = ("%s: a time that is no fraction of 64 bits "
    .. "cannot be written to a plan file"):format(view.origin) }, 0)
end

local body = {}

function body.pulse(view)
  return ("pulse %.10g %s"):format(view.intensity, view.reference)
end

function body.rest(view)
  local min, max = exact(view, "exact"), exact(view, "exact_max")
  return min == max and "rest " .. min
    or ("rest %s %s%s"):format(min, max, view.law ~= nil and " " .. exact(view, "law") or "")
end

function body.mark(view)
  return "mark " .. quoted(view.text)
end

body["repeat"] = function(view, children)
  return ("repeat %s %d %s %s"):format(children[1], view.count, view.spacing, exact(view, "exact_period"))
end

function body.channel(view, children)
  return ("channel %s %s"):format(children[1], quoted(view.text))
end

--- "3 4 3 4" stays as it is; the same part many times in a row is "3*600".
local function folded(children)
  local parts, i = {}, 1
  while i <= #children do
    local last = i
    while children[last + 1] == children[i] do
      last = last + 1
    end
    parts[#parts + 1] = last > i and ("%s*%d"):format(children[i], last - i + 1) or children[i]
    i = last + 1
  end
  return table.concat(parts, " ")
end

function body.sequence(_, children)
  return "sequence " .. folded(children)
end

function body.parallel(_, children)
  return "parallel " .. table.concat(children, " ")
end

--- The number of a node, written after its parts.
local function write_node(self, plan)
  local id = plan:id()
  if self.by_id[id] then
    return self.by_id[id]
  end
  local view, children = plan:view(), {}
  self.kept[#self.kept + 1] = plan -- ids hold while plans live
  for i = 1, view.children do
    children[i] = write_node(self, plan:child(i))
  end
  local text = body[view.kind](view, children)
  if view.roles ~= "" then
    text = ("%s is %s"):format(text, quoted(view.roles))
  end
  if view.condition ~= "" then
    text = text .. " label " .. quoted(view.condition)
  end
  if view.code > 0 then
    text, self.coded = ("%s code \"%d\""):format(text, view.code), true
  end
  self.lawful = self.lawful or view.law ~= nil
  self.tagged = self.tagged or view.roles ~= "" or view.condition ~= ""
  if view.label ~= "" then
    text = text .. " as " .. quoted(view.label)
  end
  if view.origin ~= "" then
    text = text .. " from " .. quoted((view.origin:gsub("^.*/", "")))
  end
  local number = self.by_text[text]
  if not number then
    number = tostring(#self.lines + 1)
    self.lines[#self.lines + 1] = ("node %s %s"):format(number, text)
    self.by_text[text] = number
  end
  self.by_id[id] = number
  return number
end

local texts = { "id", "name", "cite", "doi", "target", "note", "unconfirmed", "coil", "threshold" }
local is_text = {}
for _, key in ipairs(texts) do
  is_text[key] = true
end

--- What else the protocol declares: channels of nerves, and the schedule of sessions, a line each.
local schedule_keys = { "per_day", "days", "total", "gap_min", "day_pulses" }

local function write_declared(facts, lines)
  for _, name in ipairs(facts.nerve or {}) do
    lines[#lines + 1] = "nerve " .. quoted(name)
  end
  for _, key in ipairs(schedule_keys) do
    local value = (facts.sessions or {})[key]
    local text = type(value) == "table" and ("%d %d"):format(value[1], value[2])
      or type(value) == "string" and quoted(value) or value and ("%.17g"):format(value)
    lines[#lines + 1] = text and ("sessions %s %s"):format(key, text) or nil
  end
end

--- A plan as text. Raises a refusal { code, message } where it cannot be written exactly.
---@param plan moonpulse.Plan
---@param facts { id: string?, name: string?, cite: string?, doi: string?, target: string?, note: string?,
---   unconfirmed: string?, coil: string?, threshold: string?, nerve: string[]?,
---   sessions: table?, with day_pulses: integer? (the published dose of a day),
---   seed: integer, parameters: table<string, string>? } seed: what random rests are drawn from
---@return string
function M.write(plan, facts)
  local self = { by_id = {}, by_text = {}, lines = {}, kept = {} }
  local root = write_node(self, plan)
  local lines = { self.coded and FORMAT_4 or self.lawful and FORMAT_3 or self.tagged and FORMAT_2 or FORMAT }
  for _, key in ipairs(texts) do
    if facts[key] then
      lines[#lines + 1] = ("%s %s"):format(key, quoted(facts[key]))
    end
  end
  write_declared(facts, lines)
  local names = in_order.keys(facts.parameters or {})
  for _, name in ipairs(names) do
    lines[#lines + 1] = ("parameter %s %s"):format(name, quoted(facts.parameters[name]))
  end
  lines[#lines + 1] = ("seed %d"):format(facts.seed)
  lines[#lines + 1] = ("pulses %d"):format(plan:totals().pulses)
  for line in outline.of(plan):gmatch("[^\n]+") do
    lines[#lines + 1] = "# " .. line
  end
  table.move(self.lines, 1, #self.lines, #lines + 1, lines)
  lines[#lines + 1] = "root " .. root
  local text = table.concat(lines, "\n") .. "\n"
  return text .. "sha256 " .. M.sha256(text) .. "\n"
end

-- Reading --------------------------------------------------------------------------------------------

local back = { n = "\n", r = "\r", t = "\t", ["\\"] = "\\", ["\""] = "\"" }

local function unquoted(text)
  return (text:gsub("\\x(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
    :gsub("\\([nrt\\\"])", back))
end

--- Unescape from left to right: "\\x41" is a backslash and x41.
local function unescape(text)
  local out, at = {}, 1
  while at <= #text do
    local place = text:find("\\", at, true)
    if not place then
      out[#out + 1] = text:sub(at)
      break
    end
    local piece = text:match("^\\x%x%x", place) or text:sub(place, place + 1)
    out[#out + 1] = text:sub(at, place - 1) .. unquoted(piece)
    at = place + #piece
  end
  return table.concat(out)
end

local function bad(self, text, ...)
  error({ code = "usage", message = ("%s:%d: %s"):format(self.path, self.line, text:format(...)) }, 0)
end

local function node(self, number)
  return self.nodes[number] or bad(self, "node %s is used before it is written", number)
end

local LONGEST = 2000 -- letters of a node, but for the parts in a row

--- A text that is shown: it could forge lines, or be obeyed by a terminal.
local function plain(self, what, text)
  return cell_text.is_plain(text) and text or bad(self, "%s: \"%s\": %s", what, escaped.shown(text),
    cell_text.plain)
end

--- The quoted text at the end of rest after word; rest without it.
local function tail(rest, word)
  local from = math.max(1, #rest - LONGEST) -- a pattern takes long where it may match anywhere
  local before, text = rest:sub(from):match("^(.-) " .. word .. " \"(.*)\"$")
  if before and not text:find("[^\\]\"") then
    return rest:sub(1, from - 1) .. before, unescape(text)
  end
  return rest, ""
end

local make = {}

function make.pulse(self, rest)
  local value, reference = rest:match("^(%S+) (%u+)$")
  return core.pulse(tonumber(value) or bad(self, "a pulse is: pulse PERCENT MSO|RMT|AMT"), reference)
end

function make.rest(self, rest)
  -- word by word: a pattern of many numbers takes long
  local min, max, law = rest:match("^(%S+) ?(%S*) ?(.*)$")
  if not (min and min:find("^%d+/%d+$") and (max == "" or max:find("^%d+/%d+$"))) then
    bad(self, "a rest is: rest SECONDS [SECONDS [LAW]], as fractions")
  end
  return core.rest(min, max ~= "" and max or nil, law ~= "" and law or nil)
end

function make.mark(self, rest)
  local text = unescape(rest:match("^\"(.*)\"$") or bad(self, "a mark is: mark \"TEXT\""))
  return core.mark(plain(self, "a mark", text))
end

make["repeat"] = function(self, rest)
  local number, count, spacing, period = rest:match("^(%d+) (%d+) (%l+) (%d+/%d+)$")
  if not number then
    bad(self, "a repetition is: repeat NODE COUNT every|gap|train SECONDS")
  end
  return core.repeat_plan(node(self, number), math.tointeger(tonumber(count)), spacing, period)
end

--- The text, which becomes a cell of a record's table.
local function as_cell(self, what, text)
  local problem = cell_text.problem(text)
  if problem then
    bad(self, "%s %s, and not \"%s\"", what, problem, escaped.shown(text))
  end
  return text
end

function make.channel(self, rest)
  local number, name = rest:match("^(%d+) \"(.*)\"$")
  local channel = node(self, number or bad(self, "a channel is: channel NODE \"NAME\""))
  return core.channel(channel, as_cell(self, "the name of a channel", unescape(name)))
end

-- in a file of any size: some seconds and 300 MB
local MOST_PARTS, MOST_NODES, MOST_BYTES = 1000000, 250000, 1 << 24

--- How many parts a child is in a row: short sequences without a name dissolve into it (engine/plan.h).
local function parts_of(child)
  local view = child:view()
  local dissolves = view.kind == "sequence" and view.code == 0
    and view.label .. view.condition .. view.roles == ""
  return dissolves and view.children <= 64 and view.children or 1
end

local function children_of(self, rest)
  local list = {}
  for part in rest:gmatch("%S+") do
    local number, count = part:sub(1, 50):match("^(%d+)%*?(%d*)$")
    if not number or #part > 50 then
      bad(self, "%q is no node: write its number, or NUMBER*COUNT", part:sub(1, 50))
    end
    local child, times = node(self, number), tonumber(count ~= "" and count or 1)
    self.parts = self.parts + times * parts_of(child)
    if self.parts > MOST_PARTS then
      bad(self, "more than %d parts in a row, of all nodes: write them as one repeat", MOST_PARTS)
    end
    for _ = 1, times do
      list[#list + 1] = child
    end
  end
  return list
end

function make.sequence(self, rest)
  local list = children_of(self, rest)
  if #list < 2 then
    bad(self, "a sequence has at least two parts")
  end
  return core.sequence_of(list)
end

local in_a_row = { sequence = true, parallel = true, rest = true } -- a rest: of lengths by their weights

function make.parallel(self, rest)
  return core.parallel(children_of(self, rest))
end

--- The plan with what else its line says of it.
local function tagged(plan, condition, roles, code)
  if condition ~= "" or roles ~= "" then
    plan = core.tagged(plan, condition ~= "" and condition or nil, roles)
  end
  return code ~= "" and core.coded(plan, math.tointeger(tonumber(code)) or 0) or plan
end

local function read_node(self, rest)
  local number, kind, more = rest:match("^(%d+) (%l+) (.*)$")
  if not make[kind] then
    bad(self, "there is no node of this kind")
  elseif #rest > LONGEST and not in_a_row[kind] then
    bad(self, "a node of %d letters, at most %d", #rest, LONGEST)
  end
  self.count = self.count + 1
  if self.count > MOST_NODES then
    bad(self, "more than %d nodes: write what repeats as one repeat", MOST_NODES)
  end
  local origin, label, condition, roles, code
  more, origin = tail(more, "from")
  more, label = tail(more, "as")
  more, code = tail(more, "code")
  more, condition = tail(more, "label")
  more, roles = tail(more, "is")
  local problem = condition ~= "" and checks.label_problem(condition)
  if problem then
    bad(self, "%s", problem)
  end
  as_cell(self, "a kind of stimulus", label)
  plain(self, "from", origin)
  local ok, plan = pcall(make[kind], self, more)
  if ok then
    ok, plan = pcall(tagged, core.describe(plan, origin, label), condition, roles, code)
  end
  if not ok then
    if type(plan) == "table" then
      error(plan, 0)
    end
    bad(self, "%s", (tostring(plan):gsub("^%S*plan_file%.lua:%d+: ", "")))
  end
  self.nodes[number] = plan
end

--- "per_day 10", "total 20 30", "gap_min 3000", "gap_min \"some hours\"".
local function read_sessions(self, rest)
  local key, value = rest:match("^(%S+) (.*)$")
  local from, to = (value or ""):match("^(%d+) (%d+)$")
  local text = key == "gap_min" and value:match("^\"(.*)\"$")
  local count = math.tointeger(tonumber(value))
  local amount = key == "gap_min" and tonumber(value) or count and count > 0 and count
  from, to = math.tointeger(tonumber(from)), math.tointeger(tonumber(to))
  self.sessions = self.sessions or {}
  self.sessions[key or ""] = text and plain(self, key, unescape(text))
    or from and from > 0 and to and { from, to } or amount
    or bad(self, "a line of sessions is: sessions per_day|days|total|gap_min|day_pulses NUMBER")
end

local function read_line(self, line)
  local key, rest = line:match("^(%l+) (.*)$")
  if line:find("^#") then
    return
  elseif key == "node" then
    read_node(self, rest)
  elseif key == "root" then
    self.plan = node(self, rest)
  elseif key == "seed" or key == "pulses" then
    self[key] = math.tointeger(tonumber(rest)) or bad(self, "%s is a whole number", key)
  elseif key == "nerve" and rest:find("^\".*\"$") then
    self.nerve = self.nerve or {}
    table.insert(self.nerve, plain(self, "nerve", unescape(rest:sub(2, -2))))
  elseif line:find("^sessions ") then
    read_sessions(self, rest)
  elseif key == "parameter" then
    local name, value = rest:match("^(%S+) \"(.*)\"$")
    self.parameters[name or bad(self, "a parameter is: parameter NAME \"VALUE\"")] = unescape(value)
  elseif is_text[key] and rest:find("^\".*\"$") then
    self[key] = unescape(rest:sub(2, -2))
    local problem = protocols.text_problem(key, self[key])
    if problem then
      bad(self, "%s", problem)
    end
  else
    bad(self, "this line is of no known kind")
  end
end

--- The lines that count: what is for readers only may be worded otherwise by another version.
local function counting(text)
  local lines = {}
  local number = 0
  for line in require("moonpulse.text.ended_lines").of(text) do
    number = number + 1
    if not line:find("^#") and not line:find("^sha256 ") then
      lines[#lines + 1] = { text = line, number = number }
    end
  end
  return lines
end

--- There is one way to write a plan: what says the same in another way was not written by compile.
local function check_canonical(self, text)
  local given, ours = counting(text), counting(M.write(self.plan, self))
  for i = 1, math.max(#given, #ours) do
    local line, wanted = given[i], ours[i]
    if not (line and wanted and line.text == wanted.text) then
      self.line = line and line.number or self.line
      bad(self, "not written as moonpulse compile writes it%s", wanted and ": " .. wanted.text
        or ", which has no such line")
    end
  end
end

local function check_signature(path, text)
  if not known[text:sub(1, #FORMAT + 1):match("^(.*)\n$") or ""] then
    return ("%s is no plan file of format 1 to 4: make one with moonpulse compile"):format(path)
  end
  local signed, hash = text:match("^(.*\n)sha256 (%x+)\n$")
  if not signed then
    return ("%s has no sha256 line at its end: it is cut, or was changed; make it again with moonpulse "
      .. "compile"):format(path)
  elseif M.sha256(signed) ~= hash then
    return ("%s was changed after it was compiled (its SHA-256 is another): make it again with moonpulse "
      .. "compile, or get it again from where it came"):format(path)
  end
end

--- Read a plan file's text; a file that was changed is refused.
---@param text string
---@param path string for messages
---@return table? file { plan, seed, parameters, id, name, cite, doi, target, note, unconfirmed, sha256 }
---@return string? message
function M.read(text, path)
  local problem = check_signature(path, text)
  if problem then
    return nil, problem
  end
  local self = { path = path, line = 0, nodes = {}, parameters = {}, parts = 0, count = 0 }
  local ok, message = pcall(function()
    for line in require("moonpulse.text.ended_lines").of(text) do
      self.line = self.line + 1
      if self.line > 1 and not line:find("^sha256 ") then
        read_line(self, line)
      end
    end
    if not self.plan or not self.seed then
      bad(self, "there is no root, or no seed")
    elseif self.plan:totals().pulses ~= self.pulses then
      bad(self, "the plan has %d pulses, not %s", self.plan:totals().pulses, tostring(self.pulses))
    end
    check_canonical(self, text)
  end)
  if not ok then
    return nil, type(message) == "table" and message.message or tostring(message)
  end
  self.sha256 = text:match("sha256 (%x+)\n$")
  return self
end

--- Load a plan file as a protocol without parameters; its seed is fixed.
---@param path string
---@return table? protocol
---@return string? message
function M.load(path)
  local text, message = text_files.read(path, { bytes = MOST_BYTES, name = "plan file" })
  if not text then
    return nil, message
  end
  local read
  read, message = M.read(text, path)
  if not read then
    return nil, message
  end
  local plan = read.plan
  return { id = read.id or path:match("([^/]+)%.plan$"), name = read.name or escaped.shown(path),
    cite = read.cite, doi = read.doi, target = read.target, note = read.note, unconfirmed = read.unconfirmed,
    coil = read.coil, threshold = read.threshold, nerve = read.nerve, sessions = read.sessions,
    params = {}, file = path, seed = read.seed, plan_file = read, plan = function() return plan end }
end

return M
