--- Protocols: a plan with a name, a source and declared parameters.
local blame = require "moonpulse.text.author_line"
local building = require "moonpulse.compose.context"
local compose = require "moonpulse.compose"
local escapes = require "moonpulse.text.escapes"
local in_order = require "moonpulse.text.in_order"
local intensities = require "moonpulse.compose.intensity"
local known_names = require "moonpulse.text.known_names"
local lists = require "moonpulse.text.lists"
local companions = require "moonpulse.text.companions"
local sandbox = require "moonpulse.protocol.sandbox"
local values_of = require "moonpulse.protocol.parameter_value"

local M = {}

---@class moonpulse.Parameter
---@field default number|string|boolean|moonpulse.Intensity its type is the parameter's
---@field min number?
---@field max number?
---@field values string[]? of a text: all that it may be
---@field with_amt moonpulse.Intensity? the default where the active motor threshold is known
---@field help string?
---@field needed boolean? the source gives no number: default stands in for show and events only

---@class moonpulse.Sessions how often a protocol is given; a number, or { from, to }
---@field per_day number|number[]|nil sessions a day
---@field days number|number[]|nil days with sessions
---@field total number|number[]|nil sessions of the whole course
---@field gap_min number|string|nil least time from a session's end to the next one's start, in
---  seconds (or text where the source gives no number)

---@class moonpulse.Protocol
---@field id string? what run, show and events take
---@field file string? that it was read from
---@field name string
---@field family string? the heading it is listed under
---@field aim string? what it is given for
---@field cite string? the paper
---@field doi string?
---@field target string? the site, as published
---@field dose string? the intensity, as published
---@field reported string? the duration, as published
---@field session string? how often it is given, as published
---@field sessions moonpulse.Sessions? the same as data
---@field evidence string? how well its numbers are known
---@field note string?
---@field unconfirmed string? what somebody must look up in the paper before it is used
---@field coil string? "figure-of-eight", or one that the safety tables do not cover
---@field threshold string? "hand", or one that they do not cover ("foot")
---@field nerve string[]? channels that stimulate a nerve, not the brain
---@field params table<string, moonpulse.Parameter>
---@field plan fun(p: table): moonpulse.Plan
---@field variants table[]? { id=, name=, ..., defaults = { parameter = value } }

local texts = { "id", "name", "family", "aim", "cite", "doi", "target", "dose", "reported", "session",
  "evidence", "note", "unconfirmed", "coil", "threshold" }
-- what a variant does not take over from the protocol that it varies
local own_texts = { evidence = true, note = true, unconfirmed = true, reported = true }

local function fields(more)
  for _, key in ipairs(texts) do
    more[key] = more[key] or "?text"
  end
  more.name, more.sessions, more.nerve = "text", "?table", "?list"
  return more
end

local known = fields { params = "?table", plan = "function", variants = "?list" }
local variant_known = fields { id = "text", defaults = "?table" }

local is_protocol = setmetatable({}, { __mode = "k" })
-- what else a file may return, and what makes it ours
local accepted = setmetatable({}, { __mode = "k" })

local parameter_known = { default = "value", min = "?number", max = "?number", values = "?list",
  help = "?text", with_amt = "?intensity", needed = "?true or false" }


-- what may have paragraphs; any other text stands on a line of ours
local prose = { aim = true, evidence = true, note = true, unconfirmed = true }
local LONGEST, LONGEST_ID = 10000, 100 -- bytes; a folder's name has at most 255

--- What is wrong with a text of a protocol; nil: nothing.
---@param key string "name", "id", ...
---@param value string
---@return string?
function M.text_problem(key, value)
  local most = key == "id" and LONGEST_ID or LONGEST
  if #value > most then
    return ("%s has %d bytes, at most %d"):format(key, #value, most)
  elseif not prose[key] and value:find("[\n\t]") then
    return ("%s has a line break or a tab: write it on one line"):format(key)
  elseif escapes.shown(value, prose[key]) ~= value then
    return ("%s has %s"):format(key, utf8.len(value) and "control characters, which a terminal would obey"
      or "bytes that are no text: save the file as UTF-8")
  elseif key == "id" and not value:find("^[%w_\128-\255][%w_. \128-\255-]*$") then
    return ("id must be letters, digits and _ . - (a run's folder is named after it), not %q"):format(value)
  end
end

local function check_texts(who, spec)
  for _, key in ipairs(texts) do
    if spec[key] ~= nil and type(spec[key]) ~= "string" then
      blame.fail("%s: %s must be text, not %s", who, key, type(spec[key]))
    end
    local problem = spec[key] and M.text_problem(key, spec[key])
    if problem then
      blame.fail("%s: %s", who, problem)
    end
  end
end

--- nerve: a list of channels.
local function check_nerve(who, nerve)
  local is_list = nerve == nil or type(nerve) == "table"
  for _, name in pairs(is_list and nerve or {}) do
    is_list = is_list and type(name) == "string" and escapes.shown(name) == name
  end
  if nerve and is_list then
    lists.check(who, "nerve", nerve)
  end
  if not is_list then
    blame.fail("%s: nerve must be a list of channels: nerve = { \"nerve\" }", who)
  end
end

local function check_table(who, key, value)
  if value ~= nil and type(value) ~= "table" then
    blame.fail("%s: %s must be a table, not %s", who, key, type(value))
  end
  return value or {}
end

local sessions_known = { per_day = "?number", days = "?number", total = "?number",
  gap_min = "?seconds" }

local function is_count(value)
  return math.type(value) == "integer" and value >= 1
end

local function check_sessions(who, sessions)
  blame.options(who .. ": sessions", sessions, sessions_known)
  for _, key in ipairs { "per_day", "days", "total" } do
    local value = sessions[key]
    local is_range = type(value) == "table" and not lists.problem(value) and #value == 2
      and is_count(value[1]) and is_count(value[2]) and value[1] <= value[2]
    if value ~= nil and not is_count(value) and not is_range then
      blame.fail("%s: sessions.%s must be a whole number from 1, or two of them: { 20, 30 }", who, key)
    end
  end
  local gap = sessions.gap_min
  if gap ~= nil and type(gap) ~= "string" and not (type(gap) == "number" and gap >= 0) then
    blame.fail("%s: sessions.gap_min must be seconds, or text", who)
  elseif type(gap) == "string" and escapes.shown(gap) ~= gap then
    blame.fail("%s: sessions.gap_min has control characters: write it on one line", who)
  end
end

local function check_parameter(name, declared)
  if type(name) ~= "string" then
    blame.fail("protocol: a parameter needs a name: params = { cycles = { default = 20 } }")
  end
  local who = "parameter " .. name
  if type(declared) ~= "table" or intensities.is(declared) then
    blame.fail("%s: its value stands in a table: params = { %s = { default = %s } }", who, name,
      intensities.is(declared) and ("mp.%s(%g)"):format(declared.reference:lower(), declared.value)
      or type(declared) == "string" and ("%q"):format(declared)
      or (math.type(declared) or type(declared) == "boolean") and tostring(declared) or "...")
  end
  blame.options(who, declared, parameter_known)
  local kind = values_of.kind(declared.default)
  if not values_of.kinds[kind] then
    blame.fail("%s: default must be a number, text, true, false or an intensity, not %s", who, kind)
  end
  for _, key in ipairs { "min", "max" } do
    local bound = declared[key]
    if bound ~= nil and (not math.type(bound) or kind == "string" or kind == "boolean") then
      blame.fail("%s: %s must be a number, and belongs to a number or an intensity", who, key)
    end
  end
  local problem = values_of.values_problem(declared)
  if problem then
    blame.fail("%s: %s", who, problem)
  end
  for _, value in ipairs { declared.default, declared.with_amt } do
    local _, message = values_of.check("parameter", name, declared, value)
    if message then
      blame.fail("%s", message)
    end
  end
end

local function check_variant(spec, variant)
  blame.options("variant", variant, variant_known)
  check_texts("variant", variant)
  check_nerve("variant", variant.nerve)
  if variant.sessions ~= nil then
    check_sessions("variant " .. variant.id, variant.sessions)
  end
  local who = "variant " .. variant.id
  for name, value in in_order.pairs(check_table(who, "defaults", variant.defaults)) do
    local declared = spec.params[name]
    if not declared then
      blame.fail("%s: there is no parameter %q", who, tostring(name))
    end
    local _, message = values_of.check(who, name, declared, value)
    if message then
      blame.fail("%s", message)
    end
  end
end

--- Check the texts and the parameters that a spec declares; spec.params becomes a table.
---@param who string for messages
---@param spec table
function M.check_parameters(who, spec)
  check_texts(who, spec)
  check_nerve(who, spec.nerve)
  spec.params = check_table(who, "params", spec.params)
  for name, declared in in_order.pairs(spec.params) do
    check_parameter(name, declared)
  end
end

local DEEPEST = 8 -- tables in tables: a spec has four

local function own(value, depth)
  if intensities.is(value) then
    return intensities.new(value.value, value.reference)
  elseif type(value) ~= "table" then
    return value
  elseif depth > DEEPEST then
    blame.fail("protocol: tables nested more than %d deep (is one of them in itself?)", DEEPEST)
  end
  local copy = {}
  for key, inner in pairs(value) do
    copy[key] = own(inner, depth + 1)
  end
  return copy
end

--- A spec as plain data of our own: whatever its author does to his later, and whatever metatables it
--- has, is not met when it is read outside the sandbox.
---@param spec table
---@param keys table<string, any> its keys
---@return table
function M.own(spec, keys)
  local copy = {}
  for key in pairs(keys) do
    copy[key] = own(spec[key], 1)
  end
  return copy
end

--- From now on a file may return spec as well: it has id, name, params like a protocol.
---@param spec table
---@param loaded fun(environment: table): table called with the sandbox that the file was loaded in, and
---   within its limits; returns what load returns for it
function M.accept(spec, loaded)
  accepted[spec] = loaded
  return spec
end

--- Declare a protocol. Raises at the author's line for a missing or unknown field.
---@param spec moonpulse.Protocol
---@return moonpulse.Protocol
function M.protocol(spec)
  blame.options("protocol", spec, known)
  if type(spec.plan) ~= "function" then
    blame.fail("protocol: plan must be a function(p) that returns a plan%s",
      compose.is_plan(spec.plan) and ": write plan = function(p) return ... end around the plan"
        or ", not " .. type(spec.plan))
  end
  if spec.sessions ~= nil then
    check_sessions("protocol", spec.sessions)
  end
  M.check_parameters("protocol", spec)
  lists.check("protocol", "variants", check_table("protocol", "variants", spec.variants))
  for _, variant in ipairs(spec.variants or {}) do
    check_variant(spec, variant)
  end
  is_protocol[spec] = true
  return spec
end

--- A variant as a protocol of its own.
local function specialise(base, variant)
  local made = { params = {}, plan = base.plan }
  for _, key in ipairs(texts) do
    made[key] = variant[key] or not own_texts[key] and base[key] or nil
  end
  made.doi = variant.doi or not variant.cite and base.doi or nil -- another paper has another one
  made.nerve = variant.nerve or base.nerve
  made.sessions = variant.sessions or not variant.session and base.sessions or nil
  for name, declared in pairs(base.params) do
    local copy = {}
    for key, value in pairs(declared) do
      copy[key] = value
    end
    if variant.defaults and variant.defaults[name] ~= nil then
      -- of the kind that the protocol's own default has: 2 for 2.0
      copy.default, copy.with_amt = values_of.check("variant", name, declared, variant.defaults[name]), nil
    end
    made.params[name] = copy
  end
  is_protocol[made] = true
  return made
end

--- Where a plan is needed and none is: what there is instead, and how a plan is made of it.
local function no_plan(value)
  if type(value) == "table" and compose.is_plan(value[1]) then
    return "a list of plans: mp.trials { of = list, every = seconds } makes one plan of it"
  end
  return value == nil and "nil (is its last line \"return ...\"?)" or type(value)
end

--- What a file returned, as a protocol (or what was accepted); within the sandbox's limits.
local function from_result(path, result, environment)
  if accepted[result] then
    return accepted[result](environment)
  elseif is_protocol[result] then
    return M.protocol(M.own(result, known)) -- checked again: it may have been changed since
  end
  local stem = path:match("([^/]+)%.lua$") or path:match("([^/]+)$")
  if compose.is_plan(result) then
    return M.protocol { id = stem, name = stem, plan = function() return result end }
  end
  error(("%s: the file must return mp.protocol { ... }, mp.experiment(...), mp.course { ... } or a plan, not "
    .. "%s"):format(path, no_plan(result)), 0)
end

--- A script's error as text that names its file, whatever was raised.
local function in_file(path, problem)
  local text = tostring(problem)
  local name = path and path:match("[^/]*$")
  return name and not text:find(name, 1, true) and path .. ": " .. text or text
end

--- The folder of a protocol's file; nil: it is a shipped one.
local function own_folder(path)
  local folder = path:match("^(.*)/[^/]*$") or "."
  return folder ~= companions.protocols() and folder or nil
end

--- Load a protocol file, in a sandbox: it sees the library and plain Lua, and is stopped where it takes
--- too long or too much.
---@param path string
---@param shown string? what messages and records call it, instead of path
---@return moonpulse.Protocol[]? the protocol and its variants
---@return string? message with file and line
function M.load(path, shown)
  local chunk, environment = sandbox.load(path, shown)
  if not chunk then
    return nil, in_file(path, environment)
  end
  local ok, all = building.load_in(own_folder(path), sandbox.call, function()
    local protocol = from_result(path, sandbox.only(chunk), environment)
    local list = { protocol }
    for i, variant in ipairs(protocol.variants or {}) do
      list[i + 1] = specialise(protocol, variant)
    end
    return list
  end)
  if not ok then
    return nil, in_file(path, all)
  end
  all[1].id = all[1].id or (shown or path):match("([^/]+)%.lua$")
  for _, protocol in ipairs(all) do
    protocol.file = path
  end
  return all
end

local function list_names(params)
  local names = in_order.keys(params)
  return #names > 0 and table.concat(names, ", ") or "none"
end

local function no_such_parameter(protocol, name, text)
  if protocol.plan_file then
    return ('-p "%s": %s is a plan file, whose parameters were fixed when it was compiled: compile its '
      .. "protocol again, with -p %s=%s"):format(name, protocol.file, name, text)
  elseif next(protocol.params) == nil then
    return ('-p "%s": %s has no parameters: leave -p out'):format(name, protocol.id)
  end
  local meant = require "moonpulse.text.meant" -- for a refusal only
  local asked = meant.question(meant.near(name, in_order.keys(protocol.params), #name > 3 and 2 or 1))
  return ('-p "%s": %s has no such parameter; it has: %s%s'):format(name, protocol.id,
    list_names(protocol.params), asked and (" (%s)"):format(asked) or "")
end

--- The values of all parameters: defaults, and what was given, as text ("cycles" = "10") or as a value.
---@param protocol moonpulse.Protocol
---@param given table<string, any>
---@param thresholds { amt: number? }? with an AMT, a parameter's with_amt is its default
---@return table? values
---@return string? message
function M.values(protocol, given, thresholds)
  local values = {}
  for name, declared in pairs(protocol.params) do
    values[name] = thresholds and thresholds.amt and declared.with_amt or declared.default
  end
  for name, text in in_order.pairs(given) do
    local declared = protocol.params[name]
    if not declared then
      return nil, no_such_parameter(protocol, name, text)
    end
    local value, message = text, nil
    if type(text) == "string" then
      value, message = values_of.parse(declared, name, text)
    end
    if value ~= nil then
      value, message = values_of.check("-p", name, declared, value)
    end
    if value == nil then
      return nil, message
    end
    values[name] = value
  end
  return values
end

--- The values as an author reads them: a name that was not declared is an error, and so is writing.
---@param values table from M.values
---@return table
function M.guard(values)
  return setmetatable(known_names.reading({}, values), {
    __index = function(_, name)
      if values[name] == nil then
        blame.fail("there is no parameter %q; declared: %s", tostring(name),
          list_names(values))
      end
      return values[name]
    end,
    __newindex = function(_, name)
      blame.fail("parameter %q cannot be changed by the script", tostring(name))
    end,
    __pairs = function()
      return sandbox.pairs(values)
    end,
  })
end

--- The parameters that the source leaves open and that given (from -p) does not name.
---@param protocol moonpulse.Protocol
---@param given table<string, string>
---@return string[] names, sorted
function M.open(protocol, given)
  local names = {}
  for name, declared in pairs(protocol.params) do
    if declared.needed and given[name] == nil then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

--- Make the plan; the shipped sham is then named after the protocol whose sham it is. Script errors come back
--- as a message with file and line.
---@param protocol moonpulse.Protocol
---@param values table from M.values
---@param seed integer? what mp.shuffle draws from (1)
---@param intensity moonpulse.Intensity? of every pulse instead of its own: for a sham
---@param arrange (fun(list: any[]): any[])? what mp.shuffle gives, instead of a drawn order
---@return moonpulse.Plan?
---@return string? message
---@return boolean? drawn true: mp.shuffle was used, another seed may give another order
function M.build(protocol, values, seed, intensity, arrange)
  local context = { seed = seed or 1, intensity = intensity, arrange = arrange,
    folder = protocol.file and own_folder(protocol.file) }
  local theirs = {} -- what a plan does to its intensities must not change what the record says of them
  for name, value in pairs(values) do
    theirs[name] = own(value, 1)
  end
  local ok, plan = building.with(context, sandbox.call, sandbox.only, protocol.plan,
    M.guard(theirs))
  if not ok then
    return nil, in_file(protocol.file, plan)
  end
  if not compose.is_plan(plan) then
    local info = debug.getinfo(protocol.plan, "S")
    local where = info.linedefined > 0 and ("%s:%d"):format(info.short_src, info.linedefined)
      or protocol.file or protocol.id
    return nil, in_file(protocol.file, ("%s: plan must return a plan, not %s"):format(where, no_plan(plan)))
  end
  if context.sham and protocol.id == "sham" and protocol.params.of then -- the shipped one is of any protocol
    protocol.name = "Sham of " .. context.sham
  end
  return plan, nil, context.drawn
end

return M
