local goals = require "moonpulse.bench.goals"
local stats = require "moonpulse.bench.stats"

describe("the benchmark's statistics", function()
  it("takes quantiles by rank", function()
    local sorted = {}
    for i = 1, 1000 do
      sorted[i] = i
    end
    assert.equal(500, stats.quantile(sorted, 0.5))
    assert.equal(990, stats.quantile(sorted, 0.99))
    assert.equal(999, stats.quantile(sorted, 0.999))
    assert.equal(7, stats.quantile({ 7 }, 0.001))
  end)

  it("counts late and early events", function()
    local summary = stats.summary { -1, 0, 100000, 100001, 1000001 }
    assert.same({ 1, 2, 1 }, { summary.early, summary.over_100us, summary.over_1ms })
    assert.equal(100, summary.p50)
    assert.equal(1000.001, summary.max)
  end)

  it("tells drift from one late event", function()
    local steady, drifting = {}, {}
    for i = 1, 9000 do
      steady[i], drifting[i] = 100, 100 + 5 * i
    end
    steady[9000] = 4000000
    assert.equal(0, stats.drift(steady).slope_ns)
    assert.equal(100, stats.drift(steady).last_ns)
    assert.is_true(math.abs(stats.drift(drifting).slope_ns - 5) < 0.01)
  end)
end)

describe("a verdict", function()
  local function verdict(values, nulls, more)
    local row = { id = "G0", what = "test", limit = 2 }
    for key, value in pairs(more or {}) do
      row[key] = value
    end
    return goals.judge(row, values, nulls).verdict
  end

  it("is that of the median", function()
    assert.equal("PASS", verdict { 1, 2, 100 })
    assert.equal("FAIL", verdict { 1, 2.1, 3 })
    assert.equal("FAIL", verdict({ 1, 1.9, 30 }, nil, { at_least = true }))
    assert.equal("PASS", verdict({ 1, 2, 3 }, nil, { at_least = true }))
  end)

  it("is inconclusive where the engine differs from itself", function()
    assert.equal("PASS", verdict({ 1 }, { 0.5, 0.9, 9 }))
    assert.equal("INCONCLUSIVE", verdict({ 1 }, { 0.4 }))
    assert.equal("INCONCLUSIVE", verdict({ 9 }, { 2.1 }))
  end)

  it("is not changed where one stands already, nor made of nothing", function()
    assert.equal("VOID", verdict({ 1 }, nil, { verdict = "VOID" }))
    assert.equal("not measured", verdict {})
  end)

  it("breaks the run where it must hold on any host", function()
    assert.is_true(goals.broken { verdict = "VOID" })
    assert.is_true(goals.broken { verdict = "FAIL", hard = true })
    assert.is_false(goals.broken { verdict = "FAIL" })
    assert.is_false(goals.broken { verdict = "INCONCLUSIVE", hard = true })
  end)
end)

describe("the goals", function()
  local function block(method, condition, shape, number, more)
    local made = { method = method, condition = condition, shape = shape, block = number, n = 2000,
      p50 = 1, p90 = 1, p99 = 1, over_100us = 0, over_1ms = 0, fifo = method ~= "cyclictest" or nil }
    for key, value in pairs(more or {}) do
      made[key] = value
    end
    return made
  end

  local function data_of(changes)
    local data = { blocks = {}, single = {
      drift = { fifo = true, engine = { last_ns = 100, slope_ns = 0 } },
      write_step = { 1 }, stops = { rounds = { { close = 0, void = "", noticed_ns = 90000 } } },
      stream = { pulses = 100, lines = 10, reps = { {
        schedule = 10, schedule_deep = 10, walk = 10, check = 20, lua = 400, lua_deep = 100,
        memset_fresh = 30, snprintf = 100, snprintf_rows = 100 } } },
      text = { events = { 1e9 }, virtual = { 1e9 }, session = { 2e6 } },
      memory = { few_kib = 2000, many_kib = 2000 },
      log = { clock_ns = { 30 }, ring_ns = { 40 }, flight_ns = { 60 }, refused = 0 },
      drops = { planned = 10, sent = 10, skipped = 0, dropped = 0 },
    } }
    for number = 1, 5 do
      for _, condition in ipairs { "idle", "load" } do
        for _, shape in ipairs { "1 ms", "20 ms" } do
          local methods = { engine = {}, null = {}, cyclictest = { p50 = 80, p90 = 80, p99 = 80 } }
          for method, more in pairs(methods) do
            local extra = changes and changes(method, condition, shape) or {}
            for key, value in pairs(more) do
              extra[key] = extra[key] or value
            end
            table.insert(data.blocks, block(method, condition, shape, number, extra))
          end
        end
      end
    end
    return data
  end

  local function find(rows, id, phrase)
    for _, row in ipairs(rows) do
      if row.id == id and row.what:find(phrase, 1, true) then
        return row
      end
    end
  end

  it("compare block by block with cyclictest", function()
    local row = find(goals.rows(data_of()), "G1", "p50, idle, 1 ms")
    assert.equal("PASS", row.verdict)
    assert.equal(1 / 80, row.median)
  end)

  it("are void where a block was not correct, and that breaks the run", function()
    local rows = goals.rows(data_of(function(method, condition)
      return method == "engine" and condition == "load" and { void = "other bytes arrived" } or {}
    end))
    local row = find(rows, "G1", "p50, load, 1 ms")
    assert.equal("VOID", row.verdict)
    assert.is_true(goals.broken(row))
    assert.equal("PASS", find(rows, "G1", "p50, idle, 1 ms").verdict)
  end)

  it("are inconclusive where cyclictest itself is late", function()
    local rows = goals.rows(data_of(function(method)
      return method == "cyclictest" and { p99 = 501 } or {}
    end))
    assert.equal("INCONCLUSIVE", find(rows, "G2", "idle, 20 ms").verdict)
  end)

  it("are not measured without SCHED_FIFO or without a peer", function()
    local rows = goals.rows(data_of(function(method)
      return method == "engine" and { fifo = false } or {}
    end))
    assert.equal("not measured", find(rows, "G1", "p50, idle, 1 ms").verdict)
    assert.equal("not measured", find(rows, "G5", "idle, 1 ms").verdict)
    assert.equal("not measured", find(rows, "G6", "relative").verdict)
  end)

  it("need late events of the peer before they compare shares", function()
    local rows = goals.rows(data_of())
    assert.equal("INCONCLUSIVE", find(rows, "G3", "idle").verdict)
    rows = goals.rows(data_of(function(method)
      return { over_100us = method == "cyclictest" and 10 or 2 }
    end))
    local row = find(rows, "G3", "idle")
    assert.equal("PASS", row.verdict)
    assert.is_true(math.abs(row.median - 0.2) < 1e-9)
  end)

  it("fail hard on one interval that was too short", function()
    local data = data_of()
    data.single.stops.rounds[1].close = 1
    data.single.stops.rounds[1].void = "two pulses were closer than the declared minimum"
    local row = find(goals.rows(data), "G9", "minimum")
    assert.equal("FAIL", row.verdict)
    assert.is_true(goals.broken(row))
  end)
end)
