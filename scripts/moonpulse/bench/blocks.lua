--- The blocks: each method plays the same shape in turn, in shuffled order, idle and under load.
local cjson = require "cjson"
local core = require "moonpulse.core"
local deadlines = require "moonpulse.bench.deadlines"
local programs = require "moonpulse.bench.programs"
local stats = require "moonpulse.bench.stats"

local M = {}

--- How long each kind of run is. Sizes are pulses.
M.sizes = {
  quick = { blocks = 3, fast = 500, slow = 32, reference = 300, itbs = 30, pairs = 40, churn = 500,
    drift_us = 500, stops = 4, reps = 5, stall_ms = 500, stream = 1000000, record = 200000,
    runs = 10000 },
  default = { blocks = 5, fast = 2000, slow = 150, reference = 1000, itbs = 30, pairs = 80,
    churn = 2000, drift_us = 1000, stops = 10, reps = 9, stall_ms = 2000, stream = 1000000,
    record = 1000000, runs = 100000 },
  long = { blocks = 20, fast = 2000, slow = 600, reference = 1000, itbs = 60, pairs = 200,
    churn = 2000, drift_us = 1000, stops = 40, reps = 9, stall_ms = 5000, stream = 1000000,
    record = 1000000, runs = 100000 },
  ci = { blocks = 3, drift_us = 400, stops = 4, reps = 5, stall_ms = 100, stream = 250000 },
}

local engine_facts = { "sent", "skipped", "close", "fifo", "spin", "locked", "dma", "cpu_ns",
  "wall_ns" }

--- The raw figures of one of our programs to a summary of every deadline.
local function digest(raw, planned)
  local result = deadlines.of_report(raw, planned)
  for _, name in ipairs(engine_facts) do
    result[name] = raw[name]
  end
  if raw.witness_ns and #raw.witness_ns > 0 then
    result.witness = stats.summary(raw.witness_ns)
    result.write = stats.summary(raw.write_ns)
  end
  return result
end

local function engine(shape, period_us, pulses, more)
  local arguments = { shape = shape, ["period-us"] = period_us, pulses = pulses,
    flight = programs.folder .. "/flight.tmp" }
  for key, value in pairs(more or {}) do
    arguments[key] = value
  end
  local raw = programs.measure("onset", arguments)
  os.remove(arguments.flight)
  return digest(raw, raw.planned) -- whole cycles, so perhaps more than asked for
end

local function pyserial(python, mode, period_us, pulses)
  local text = programs.output(programs.pyserial_command(python, mode, period_us, pulses))
  local raw = text and cjson.decode(text)
  return raw and raw.errors_ns and deadlines.of_report(raw, pulses)
end

--- What runs in each block: shape, method, and the function that measures it.
local function list(size, peers, number)
  local tasks = {}
  local function add(shape, method, run)
    tasks[#tasks + 1] = { shape = shape, method = method, run = run }
  end
  for shape, row in pairs { ["1 ms"] = { 1000, size.fast }, ["20 ms"] = { 20000, size.slow } } do
    local period_us, pulses = row[1], row[2]
    add(shape, "engine", function() return engine("train", period_us, pulses) end)
    add(shape, "null", function() return engine("train", period_us, pulses) end)
    add(shape, "FIFO loop", function()
      return digest(programs.measure("fifo", { ["period-us"] = period_us, pulses = pulses }), pulses)
    end)
    if peers.cyclictest then
      add(shape, "cyclictest", function() return programs.cyclictest(period_us, pulses) end)
    end
    if peers.python then
      add(shape, "pyserial", function()
        return pyserial(peers.python, "absolute", period_us, pulses)
      end)
    end
  end
  add("1 ms", "uv_timer", function()
    return digest(programs.measure("uvtimer", { ["period-us"] = 1000, pulses = size.reference }),
      size.reference)
  end)
  if peers.python then
    add("1 ms", "perf_counter spin", function()
      return pyserial(peers.python, "spin", 1000, size.reference)
    end)
  end
  if size.blocks < 5 and number > 1 then
    return tasks
  end
  add("iTBS", "engine", function() return engine("itbs", 0, size.itbs) end)
  add("pairs 2.5 ms", "engine", function() return engine("pairs", 0, size.pairs) end)
  return tasks
end

local function churn_tasks(size)
  return {
    { shape = "1 ms", method = "engine, Lua heap", run = function()
      return engine("train", 1000, size.churn, { churn = 100 })
    end },
    { shape = "1 ms", method = "engine, no Lua", run = function()
      return engine("train", 1000, size.churn)
    end },
  }
end

--- A seeded shuffle, so that no method always comes after the same other.
local function shuffle(tasks, seed)
  for i = #tasks, 2, -1 do
    local k = core.draw(seed, i, i - 1) + 1
    tasks[i], tasks[k] = tasks[k], tasks[i]
  end
  return tasks
end

--- Run all blocks.
---@param size table of M.sizes
---@param peers table as programs.peers gives it
---@param on_block fun(block: table, done: integer, total: integer)
---@return table[] blocks
function M.run(size, peers, on_block)
  local blocks = {}
  local total = 2 * size.blocks
  for number = 1, size.blocks do
    total = total + 2 * #list(size, peers, number)
  end
  local function play(tasks, condition, number)
    for _, task in ipairs(tasks) do
      local result = task.run()
      if result then
        result.condition, result.block = condition, number
        result.shape, result.method = task.shape, task.method
        blocks[#blocks + 1] = result
        on_block(result, #blocks, total)
      end
    end
  end
  for number = 1, size.blocks do
    local idle = list(size, peers, number)
    table.move(churn_tasks(size), 1, 2, #idle + 1, idle)
    play(shuffle(idle, 2 * number), "idle", number)
    programs.under_load(play, shuffle(list(size, peers, number), 2 * number + 1), "load", number)
  end
  return blocks
end

return M
