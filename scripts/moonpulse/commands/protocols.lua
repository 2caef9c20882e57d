--- moonpulse protocols: what is shipped, as a table, or one of them: a protocol as a methods section, an
--- experiment as
--- what it says of itself.
local catalogue = require "moonpulse.protocol.catalogue"
local cjson = require "cjson"
local cli = require "moonpulse.cli"
local common = require "moonpulse.cli.protocol_argument"
local experiment_sheet = require "moonpulse.show.experiment_sheet"
local drawn_orders = require "moonpulse.protocol.drawn_orders"
local experiments = require "moonpulse.experiment"
local methods = require "moonpulse.show.methods"
local numbers = require "moonpulse.text.numbers"
local outline = require "moonpulse.show.outline"
local protocols = require "moonpulse.protocol"

local M = {}

function M.parser()
  local parser = cli.parser("protocols",
    "List the shipped protocols by family: id, pulses, time from first to last pulse, target, source "
      .. "and how well its numbers are known; then the shipped experiments. With an id (or a file): that "
      .. "protocol as the methods section of its paper, or what that experiment does and its parameters.",
    "moonpulse protocols\nmoonpulse protocols itbs600\nmoonpulse protocols sici_icf\n"
      .. "moonpulse protocols --json")
  parser:argument("protocol", "Only this one, in full."):args("?"):argname("FILE|ID")
  parser:flag("--json", "One JSON object a line for each protocol and experiment.")
  return parser
end

--- A protocol with its defaults: the plan and what it measures.
local function measured(protocol)
  local values = assert(protocols.values(protocol, {}))
  local name = protocol.name
  local plan, message, drawn = protocols.build(protocol, values, 1)
  protocol.name = name -- listed is what may be asked for, not the sham of its default
  if not plan then
    cli.fail("usage", "%s", message)
  end
  return { protocol = protocol, values = values, plan = plan, drawn = drawn,
    facts = common.measure(plan, 1) }
end

local text_keys = { "id", "name", "family", "aim", "target", "dose", "session", "reported", "evidence",
  "cite", "doi", "note", "unconfirmed" }

--- For other programs. Keys in a fixed order: cjson's is random.
local function json_of(item)
  local protocol, facts, parts = item.protocol, item.facts, {}
  local function add(key, value)
    if value ~= nil then
      parts[#parts + 1] = ("%s:%s"):format(cjson.encode(key), cjson.encode(value))
    end
  end
  add("kind", facts and "protocol" or "experiment")
  for _, key in ipairs(text_keys) do
    add(key, protocol[key])
  end
  if facts and not methods.open_counts(item.protocol) then
    add("pulses", facts.pulses)
    add("first_to_last_s", facts.first_to_last_s)
    add("nominal_end_s", facts.nominal_end_s)
    add("whole_cycles_s", facts.whole_cycles_s)
  end
  add("random", facts and (facts.random or item.drawn or false))
  add("sessions", protocol.sessions)
  local parameters = {}
  for name, declared in pairs(protocol.params or {}) do
    local default = declared.default
    parameters[name] = { default = type(default) == "table" and tostring(default) or default,
      min = declared.min, max = declared.max, values = declared.values,
      help = declared.help, needed = declared.needed }
  end
  add("parameters", next(parameters) and parameters)
  add("outline", item.plan and outline.of(item.plan))
  return "{" .. table.concat(parts, ",") .. "}"
end

--- The heading, then a line a protocol; its source below.
local function print_family(name, items)
  print(name)
  for _, item in ipairs(items) do
    local protocol, facts = item.protocol, item.facts
    local counted = not methods.open_counts(item.protocol)
    print(("  %-22s %6s  %-28s %s"):format(protocol.id, counted and numbers.count(facts.pulses) or "?",
      counted and (facts.random and "about " or "") .. numbers.duration(facts.first_to_last_s) or "?",
      protocol.target or ""))
    print(("  %-22s %s"):format(protocol.unconfirmed and "UNCONFIRMED" or "", protocol.name))
    print(("  %-22s %s%s"):format("", protocol.cite or "no citation",
      protocol.evidence and "  [" .. protocol.evidence .. "]" or ""))
  end
  print()
end

local function print_table(items)
  local families, names, of_experiments = {}, {}, {}
  for _, item in ipairs(items) do
    local name = item.protocol.family or "other"
    if not item.facts then
      of_experiments[#of_experiments + 1] = experiment_sheet.row(item.protocol)
    elseif not families[name] then
      families[name] = { item }
      names[#names + 1] = name
    else
      table.insert(families[name], item)
    end
  end
  table.sort(names)
  print(("  %-22s %6s  %-28s %s"):format("id", "pulses", "first to last pulse", "target"))
  print(("  %-22s %s\n"):format("", "name; source [evidence]"))
  for _, name in ipairs(names) do
    print_family(name, families[name])
  end
  if of_experiments[1] then
    print("experiments: what they give depends on the answers; moonpulse protocols ID says how one is run")
    print(table.concat(of_experiments, "\n") .. "\n")
  end
  print("moonpulse protocols ID prints one as a methods section. Evidence: 2 = two or more sources were "
    .. "read,\nS = one, M-H, M-M, M-L = from memory with high, middle or low confidence. An UNCONFIRMED "
    .. "one is\nrun with --unconfirmed only.")
end

function M.run(options)
  local list
  if options.protocol then
    local protocol, message = catalogue.find(options.protocol)
    if not protocol then
      cli.fail("usage", "%s", message)
    end
    list = { protocol }
  else
    list = catalogue.all()
    for _, experiment in ipairs(catalogue.experiments()) do
      list[#list + 1] = experiment
    end
  end
  local items = {}
  for i, protocol in ipairs(list) do
    items[i] = experiments.is(protocol) and { protocol = protocol } or measured(protocol)
  end
  if options.json then
    for _, item in ipairs(items) do
      print(json_of(item))
    end
  elseif options.protocol and not items[1].facts then
    print(experiment_sheet.text(items[1].protocol))
  elseif options.protocol then
    local item = items[1]
    local orders = item.drawn and drawn_orders.of(item.plan, item.protocol, item.values, 1) or nil
    print(methods.text(item.protocol, item.plan, item.values, item.facts, orders))
  else
    print_table(items)
  end
end

return M
