--- moonpulse bench latency: counts and shape, with few triggers; times are the machine's and not judged.
local cjson = require "cjson"
local latency = require "moonpulse.bench.latency"
local shell = require "shell"

local function find(rows, id, what)
  for _, row in ipairs(rows) do
    if row.id == id and row.what:find(what, 1, true) then
      return row
    end
  end
end

--- What a good run measures.
local function data()
  local function block(p50)
    return { n = 10, p50 = p50, p99 = 20, fifo = true, pulses = 10, answered = 10, told = 10 }
  end
  local function wire(name)
    return { wire = name, bare = { block(10), block(10) }, engine = { block(12), block(12) } }
  end
  return { triggers = 20, wires = { wire "socketpair", wire "pty" }, reference = { p99 = 20 },
    storm = { triggers = 100, told = 100, pulses = 5, answered = 5, closest_ns = 2000000 },
    decided_us = { 20, 21 } }
end

local function verdict(change, id, what)
  local made = data()
  change(made)
  return find(latency.rows(made), id, what).verdict
end

describe("moonpulse bench latency", function()
  it("passes what meets the goals", function()
    for _, row in ipairs(latency.rows(data())) do
      assert.are.equal("PASS", row.verdict, row.what)
    end
  end)

  it("fails a trigger without a pulse, a pulse twice, one without a verdict, on that wire alone", function()
    for _, key in ipairs { "pulses", "answered", "told" } do
      for _, by in ipairs { -1, 1 } do
        local function change(made) made.wires[2].engine[1][key] = 10 + by end
        assert.are.equal("FAIL", verdict(change, "L3", "pty"), key)
        assert.are.equal("PASS", verdict(change, "L3", "socketpair"), key)
      end
    end
  end)

  it("fails a storm with two pulses under the refractory time, and one that is not told whole", function()
    assert.are.equal("FAIL", verdict(function(made) made.storm.closest_ns = 1999999 end, "L4", "10,000"))
    assert.are.equal("FAIL", verdict(function(made) made.storm.told = 99 end, "L4", "10,000"))
    assert.are.equal("FAIL", verdict(function(made) made.storm.answered = 6 end, "L4", "10,000"))
  end)

  it("fails slow medians and percentiles, unless the bare loop differs from itself", function()
    local function slow(made)
      made.wires[1].engine[1].p50, made.wires[1].engine[2].p50 = 14, 14
    end
    assert.are.equal("FAIL", verdict(slow, "L1", "socketpair"))
    assert.are.equal("INCONCLUSIVE", verdict(function(made)
      slow(made)
      made.wires[1].bare[2].p50 = 4
    end, "L1", "socketpair"))
    assert.are.equal("FAIL", verdict(function(made) made.reference.p99 = 10 end, "L2", "pty"))
    assert.are.equal("FAIL", verdict(function(made) made.decided_us = { 26 } end, "L5", "stim:fire"))
    assert.are.equal("not measured", verdict(function(made) made.decided_us = {} end, "L5", "stim:fire"))
    assert.are.equal("not measured", verdict(function(made) made.wires[1].engine[1].fifo = false end, "L1",
      "socketpair"))
  end)

  it("is there with --json, as docs/schemas says, and has lost and doubled nothing", function()
    local folder = shell.folder()
    local status, out, err = shell.moonpulse(folder, "bench latency --triggers 20 --json")
    assert.are.equal(0, status, err)
    local found = cjson.decode(out)
    assert.are.equal(20, found.triggers)
    local hard = 0
    for _, row in ipairs(found.goals) do
      if row.goal == "L3" or row.goal == "L4" then
        hard = hard + 1
        assert.are.equal("PASS", row.verdict, row.about)
      end
    end
    assert.are.equal(3, hard)
    shell.write(folder .. "/bench.json", out)
    local judged, said, trouble = shell.sh(folder,
      "python3 tests/helpers/check_schema.py --any-order docs/schemas/bench.schema.json "
        .. shell.quote(folder .. "/bench.json"))
    shell.remove(folder)
    assert.are.same({ 0, "" }, { judged, said }, trouble)
  end)
end)
