--- moonpulse bench threshold: the same figures each time, judged only where there are enough subjects.
local cjson = require "cjson"
local goals = require "moonpulse.bench.threshold_goals"
local shell = require "shell"
local threshold = require "moonpulse.bench.threshold"

--- Figures that are just what the reference has, with the amplitude method as it must be.
local function good(subjects)
  local data = { subjects = subjects, seed = 1, methods = {} }
  for i, row in ipairs(threshold.methods) do
    local after = {}
    for _, pulses in ipairs(row.ends and {} or { 10, 15, 20, 25 }) do
      after[#after + 1] = { pulses = pulses, p50 = row.reference[pulses][1], p95 = row.reference[pulses][2],
        bias = 0, none = 0 }
    end
    if row.ends then
      local reference = row.reference or { 1, 4, pulses = 80 }
      after[1] = { pulses = reference.pulses, pulses_p95 = 90, p50 = reference[1], p95 = reference[2],
        bias = 1, none = 0 }
    end
    data.methods[i] = { id = row.id, name = row.name, decision_ms = 1, after = after }
    if row.id == "amplitude" then
      after[3].p50, after[3].p95, after[3].held_pct = 1.19, 3.7, 95
      data.misspecified = { id = row.id, name = row.name, decision_ms = 1,
        after = { { pulses = 20, p50 = 1.4, p95 = 5, bias = 1, held_pct = 90, none = 0 } } }
    end
  end
  return data
end

local function failed(change, subjects)
  local data = good(subjects or 2000)
  for _, told in ipairs(data.methods) do
    if told.id == "amplitude" then
      change(told.after[3], told, data)
    end
  end
  local list = {}
  for _, row in ipairs(goals.rows(data)) do
    list[#list + 1] = row.verdict ~= "PASS" and row.goal .. " " .. row.verdict or nil
  end
  return table.concat(list, ", ")
end

describe("moonpulse bench threshold", function()
  it("judges each goal by its own figure", function()
    assert.are.equal("", failed(function() end))
    assert.are.equal("T1 FAIL", failed(function(at) at.p50 = 1.21 end))
    assert.are.equal("T2 FAIL", failed(function(at) at.p95 = 3.81 end))
    assert.are.equal("T3 FAIL", failed(function(at) at.bias = -0.11 end))
    assert.are.equal("T4 FAIL", failed(function(at) at.held_pct = 93.9 end))
    assert.are.equal("T4 FAIL", failed(function(at) at.held_pct = nil end))
    assert.are.equal("T5 FAIL", failed(function(_, _, data) data.misspecified.after[1].p50 = 1.5 end))
    assert.are.equal("T6 FAIL", failed(function(_, told) told.decision_ms = 5.1 end))
    assert.are.equal("R1 FAIL", failed(function(_, _, data) data.methods[1].after[4].p95 = 5.2 end))
  end)

  it("fails, and has a table, where a method found nothing", function()
    local data = good(2000)
    for _, told in ipairs(data.methods) do
      for _, figures in ipairs(told.after) do
        figures.p50, figures.p95, figures.bias, figures.none = nil, nil, nil, 2000
      end
    end
    local rows = goals.rows(data)
    for _, row in ipairs(rows) do
      local is_met = row.goal == "T4" or row.goal == "T6" -- which go by other figures
      assert.are.equal(is_met and "PASS" or "FAIL", row.verdict, row.goal)
    end
    assert.matches("none in 2000", goals.text(data, rows), 1, true)
  end)

  it("judges nothing of few subjects", function()
    assert.matches("T1 not judged, T2 not judged", failed(function() end, 999))
  end)

  it("gives the same figures again, as docs/schemas says, and others for another seed", function()
    local folder = shell.folder()
    local function figures(seed)
      local status, out, err = shell.moonpulse(folder, "bench threshold --subjects 2 --json --seed " .. seed)
      assert.are.equal(0, status, err)
      shell.write(folder .. "/bench.json", out)
      local judged, said, trouble = shell.sh(folder,
        "python3 tests/helpers/check_schema.py --any-order docs/schemas/bench-threshold.schema.json "
          .. shell.quote(folder .. "/bench.json"))
      assert.are.same({ 0, "" }, { judged, said }, trouble)
      local data = cjson.decode(out)
      data.goals, data.misspecified.decision_ms = nil, nil
      for _, told in ipairs(data.methods) do
        told.decision_ms = nil
      end
      return data
    end
    local one = figures(3)
    assert.are.same(one, figures(3))
    assert.are_not.same(one.methods, figures(4).methods)
    shell.remove(folder)
  end)
end)
