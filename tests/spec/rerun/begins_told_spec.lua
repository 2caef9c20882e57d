-- Where a run began amid its plan, and which run it goes on with, is told wherever the run is told: an export
-- that leaves it out shows 480 pulses of a protocol of 600 as if that were all of it.
local bids = require "bids"
local cjson = require "cjson"
local schema_judge = require "schema_judge"
local shell = require "shell"

describe("where a run began amid its plan is told:", function()
  local folder, first, second, judge, said

  local function moonpulse(arguments)
    local status, out, err = shell.moonpulse(folder, arguments)
    return out, status, err
  end

  setup(function()
    folder = shell.folder()
    judge = schema_judge.new(folder)
    first = bids.run(folder, "itbs600 --amt 40 --timing host --fault unplug@107")
    said = moonpulse(("resume %s --out %s/more --json"):format(first, folder))
    second = folder .. "/more/" .. assert(shell.names(folder .. "/more")[1])
  end)
  teardown(function()
    judge:close()
    shell.remove(folder)
  end)

  --- Of 600 pulses in trains of 30: by the rows of the first run and its simulator, and by no manifest.
  local function expected()
    local given, _, at_simulator = 0, shell.read(first .. "/twin.tsv"):gsub("\tpulse\t", "")
    for _, row in ipairs(shell.rows(first .. "/events.tsv")) do
      local is = row.status == "delivered" or row.status == "sent" or row.status == "perhaps_sent"
      given = given + (row.event == "pulse" and is and 1 or 0)
    end
    assert.is_true(given == at_simulator or given == at_simulator + 1)
    assert.are.equal(3, given // 30) -- amid the fourth train
    return { what = "trial", number = 5, pulses_before = 120, pulses_planned = 600, left_out = 120 - given,
      continues = first:match "[^/]+$" }
  end

  local function holds(schema, text)
    local path = folder .. "/judged.json"
    shell.write(path, text)
    assert.are.equal("", judge:ask(("--any-order docs/schemas/%s.schema.json %s"):format(schema, path)))
    return cjson.decode(text)
  end

  it("in what run and resume say as data, in the statement, and in check", function()
    local at = expected()
    assert.are.same(at, holds("run", said).begins_at)
    local statement = cjson.decode((moonpulse(("export prov %s -o -"):format(second))))
    local definition = statement.predicate.buildDefinition
    assert.are.same({ at, "urn:moonpulse:run:v2" }, { definition.externalParameters.begins_at,
      definition.buildType })
    statement = cjson.decode((moonpulse(("export prov %s -o -"):format(first))))
    assert.is_nil(statement.predicate.buildDefinition.externalParameters.begins_at)
    local checked = holds("check", (moonpulse "check itbs600 --amt 40 --from-trial 5 --json"))
    at.left_out, at.continues = nil, nil
    assert.are.same({ at, 480 }, { checked.begins_at, checked.pulses })
    assert.is_nil(holds("check", (moonpulse "check itbs600 --amt 40 --json")).begins_at)
    local text = moonpulse "check itbs600 --amt 40 --from-trial 5"
    assert.matches("\nbegins with +trial 5, behind 120 of the plan's 600 pulses\n", text)
  end)

  local function words(at)
    return ("trial 5, behind 120 of the plan's 600 pulses, the last %d of which were not given; it continues "
      .. "%s"):format(at.left_out, at.continues)
  end

  it("in the crate, which rdflib reads", function()
    local crate, at = folder .. "/crate", expected()
    local _, status, err = moonpulse(("export crate %s -o %s"):format(second, crate))
    assert.are.equal(0, status, err)
    local wanted, found, action = words(at), nil, nil
    for _, each in ipairs(cjson.decode(shell.read(crate .. "/ro-crate-metadata.json"))["@graph"]) do
      found = each["@type"] == "PropertyValue" and each or found
      action = each["@type"] == "CreateAction" and each or action
    end
    assert.are.same({ "begins_at", wanted }, { found.name, found.value })
    assert.is_true(action.description:sub(-#wanted - 1) == wanted .. ".")
    assert.are.equal(found["@id"], action.object[#action.object]["@id"])
    for _, name in ipairs { "python3", "/usr/bin/python3" } do
      if shell.sh(folder, name .. " -c 'import rdflib'") == 0 then
        local ended, out, why = shell.sh(folder, ("%s tests/helpers/check_crate.py %s"):format(name, crate))
        assert.are.equal(0, ended, out .. why)
        return
      end
    end
    pending "python3-rdflib is not installed (sh .ci/deps test)"
  end)

  local function decoded(path)
    return cjson.decode(shell.read(path))
  end

  it("in the dataset, whose tables have the rest", function()
    local set, at = folder .. "/set", expected()
    local out, status, err = moonpulse(("export bids %s %s --bids %s --sub 01"):format(first, second, set))
    assert.are.equal(0, status, out .. err)
    local wanted = { What = "trial", Number = 5, PulsesBefore = 120, PulsesPlanned = 600,
      LeftOut = at.left_out, Continues = at.continues }
    local stem = set .. "/sub-01/%s/sub-01_task-stimulation_acq-itbs600_run-%d_%s.json"
    local nibs = decoded(stem:format("nibs", 2, "nibs"))
    assert.are.same({ wanted, wanted }, { nibs.Moonpulse.BeginsAt,
      decoded(stem:format("beh", 2, "events")).Moonpulse.BeginsAt })
    assert.matches(("Delivered: 480 pulses. It began with %s."):format(words(at)), nibs.NIBSDescription, 1,
      true)
    assert.is_nil(decoded(stem:format("nibs", 1, "nibs")).Moonpulse.BeginsAt)
    assert.is_nil(decoded(stem:format("beh", 1, "events")).Moonpulse.BeginsAt) -- it has a note
    out, status, err = moonpulse(("check-bids %s"):format(set))
    assert.are.equal(0, status, out .. err)
  end)

  it("by diff, of runs and of a plan, and does not count: the pulses are compared themselves", function()
    local at = expected()
    for _, name in ipairs { first, "itbs600 --amt 40" } do
      local list = holds("diff", (moonpulse(("diff %s %s --json"):format(name, second)))).notes
      local found = {}
      for _, each in ipairs(list) do
        found[each.what] = each
      end
      assert.are.same({ what = "begins with", a = "its plan's beginning", b = words(at) },
        found["begins with"], name)
    end
    local again = folder .. "/again"
    assert.are.equal(0, select(2, moonpulse(("run itbs600 --amt 40 --from-trial 5 --speed max --timing host "
      .. "--out %s"):format(again))))
    local same = holds("diff", (moonpulse(("diff %s %s/%s --json"):format(second, again,
      shell.names(again)[1]))))
    assert.are.same({ true, {} }, { same.same, same.differences })
  end)

  it("of a manifest that somebody wrote: what is no such number is not told on", function()
    local begins = require "moonpulse.record.begins"
    local function data(key, value)
      local at = expected()
      at[key or "what"] = key and value or "trial"
      return begins.data { begins_at = at }
    end
    assert.are.same(expected(), data())
    for _, bad in ipairs { { "number", 0 }, { "number", "x" }, { "number", 1.5 }, { "pulses_before", -1 },
      { "pulses_before", 601 }, { "pulses_planned", {} }, { "pulses_planned", cjson.null } } do
      assert.is_nil(data(bad[1], bad[2]), bad[1])
    end
    assert.is_nil(data("left_out", 121).left_out)
    assert.is_nil(data("continues", { "a" }).continues)
    assert.is_nil(begins.data { begins_at = "trial" })
    assert.is_nil(begins.data(nil))
  end)
end)
