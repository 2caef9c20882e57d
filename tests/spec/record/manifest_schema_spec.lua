-- manifest.json of every kind of run is as docs/schemas/manifest.schema.json says, judged by a validator that
-- is not ours: python3-jsonschema.
local cjson = require "cjson"
local fixture = require "job"
local manifest_files = require "moonpulse.record.manifest_file"
local metas = require "moonpulse.record.meta"
local shell = require "shell"

local schema = "docs/schemas/manifest.schema.json"

local made = [[local mp = require "moonpulse"
  return mp.protocol { id = "made", name = "Made", plan = function()
    return mp.train { pulses = 3, hz = 2, intensity = mp.rmt(80) } .. mp.rest { min = 1, max = 2 }
      .. mp.mark "end" end }]]

local over = [[local mp = require "moonpulse"
  return mp.train { pulses = 60, hz = 20, intensity = mp.rmt(120) }]]

local long = [[local mp = require "moonpulse"
  return mp.train { pulses = 300, hz = 10, intensity = mp.mso(30) }]]

local script = [[local mp = require "moonpulse"
  return mp.experiment { coil = "H1", run = function(run)
    local stim, stairs = run:device(), run:staircase { start = 45, step = 4, reversals = 6, kind = "AMT" }
    stim:arm()
    run:wait_trigger()
    for trial, intensity in stairs do
      stim:fire(mp.pulse { intensity = mp.mso(intensity) })
      run:sleep(5)
      trial:answer(run:ask "MEP? [y/n]")
    end
    for _, options in ipairs { { method = "amplitude", kind = "RMT" }, { method = "mills-nithi", max = 60 },
      { method = "stochastic", variant = "analog H", step = 2.5 },
      { method = "relative-frequency", of = 2 } } do
      local measures = options.method == "amplitude" or options.variant
      options.start, options.trials = 45, 5
      for trial in run:threshold(options) do
        local yes = trial.number % 2 == 0
        trial:answer(measures and (yes and 90 or 12.5) or not measures and yes)
      end
    end
    run:threshold { method = "ml-pest", start = 45 }():answer "y"
  end }]]

local meta = { coil = "MagVenture MCF-B65", coil_shape = "figure-of-eight", waveform = "monophasic",
  coil_orientation = "backwards, 45 degrees", rmt_method = "5 of 10 MEPs above 50 uV",
  rmt_date = "2026-11-27", age = 27 }

describe("manifest.json", function()
  local folder, jobs

  fixture.each_test(function(...) folder, jobs = ... end)

  --- Judge files: status and what is said.
  local function judged(paths)
    for i, path in ipairs(paths) do
      paths[i] = shell.quote(path)
    end
    return shell.sh(folder, ("python3 tests/helpers/check_schema.py %s %s"):format(schema,
      table.concat(paths, " ")))
  end

  local runs = {
    plain = "made.lua --rmt 50 --speed max --meta meta.json --participant P07 --operator AB",
    preflight = "made.lua --rmt 50 --speed max --preflight list --operator AB --coil 'figure-of-eight, B65'",
    fault = "made.lua --rmt 50 --speed max --fault half-open@2",
    over = "over.lua --rmt 50 --speed max --beyond-guidelines pilot --approval EC7 --operator AB "
      .. "--lab lab.lua",
    experiment = "script.lua --speed max --answers answers --triggers triggers --amt 44",
    trigger = "made.lua --rmt 50 --speed max --device sim:magventure --trigger sim",
    real = "made.lua --rmt 50 --tolerance 1000",
    plan = "made.plan --rmt 50 --speed 1000 --device sim:rapid",
    refused = "made.lua --rmt 50 --device magventure --port /dev/null/nowhere",
    script_error = "wrong.lua --speed max",
  }

  it("of every kind of run is as its schema says, in its order", function()
    if select(1, shell.sh(folder, "python3 -c 'import jsonschema'")) ~= 0 then
      return pending "python3-jsonschema is not installed (sh .ci/deps test)"
    end
    for name, text in pairs { ["made.lua"] = made, ["over.lua"] = over, ["long.lua"] = long,
      ["script.lua"] = script, ["meta.json"] = cjson.encode(meta), list = "Ear plugs in?\n",
      ["lab.lua"] = "return { name = 'ours', pulses_per_session = 1000 }", triggers = "1 port 1\n",
      answers = ("y\nn\n"):rep(20), ["wrong.lua"] = "local mp = require 'moonpulse'\n"
        .. "return mp.experiment(function(run) run:device():arm() error 'no electrode' end)" } do
      shell.write(folder .. "/" .. name, text)
    end
    local program = shell.absolute
    shell.sh(folder, ("cd %s && %s compile made.lua --seed 9 -o made.plan"):format(folder, program))
    local names, commands = {}, {}
    for name, arguments in pairs(runs) do
      names[#names + 1] = name
      commands[#commands + 1] = ("cd %s && printf 'y\\n' | %s run %s --out %s"):format(folder, program,
        arguments, name)
    end
    local statuses, paths = {}, {}
    for i, result in ipairs(shell.together(folder, commands)) do
      statuses[names[i]] = result.status
      paths[i] = fixture.run_in(folder .. "/" .. names[i]) .. "/manifest.json"
    end
    assert.are.same({ plain = 0, preflight = 0, fault = 4, over = 0, experiment = 0, trigger = 0, real = 0,
      plan = 0, refused = 4, script_error = 2 }, statuses)
    -- when nothing else runs: it must not have ended by itself
    local job = jobs:start("killed", ("run %s/long.lua --out %s/killed --tolerance 1000"):format(folder,
      folder))
    job:says("timing ")
    job:signal("KILL")
    job:wait()
    local killed = fixture.run_in(folder .. "/killed")
    shell.write(folder .. "/running.json", shell.read(killed .. "/manifest.json"))
    assert.are.equal(0, (shell.moonpulse(folder, "recover " .. killed)))
    paths[#paths + 1], paths[#paths + 2] = folder .. "/running.json", killed .. "/manifest.json"
    local status, out, err = judged(paths)
    assert.are.same({ 0, "" }, { status, out }, err)

    local plain = fixture.manifest(fixture.run_in(folder .. "/plain"))
    local device = plain.device
    assert.are.same({ value = "Biphasic", source = "device" }, device.waveform) -- the operator says otherwise
    assert.are.same({ value = "Normal", source = "device" }, device.current_direction)
    assert.are.same({ value = "Standard", source = "device" }, device.mode)
    assert.are.same({ value = meta.coil, shape = meta.coil_shape, source = "operator" }, device.coil)
    assert.are.same(meta, plain.meta)
    assert.are.same({ 50, meta.rmt_method, meta.rmt_date }, { plain.thresholds.rmt.value,
      plain.thresholds.rmt.how, plain.thresholds.rmt.date })
    assert.are.same({ value = "figure-of-eight, B65", source = "operator" },
      fixture.manifest(fixture.run_in(folder .. "/preflight")).device.coil)
    assert.are.equal("interrupted", fixture.manifest(killed).status)
    assert.matches("or it was killed and its record is not whole: then moonpulse recover",
      cjson.decode(shell.read(folder .. "/running.json")).what, 1, true)
    assert.matches("it was killed, or its record could not be closed; moonpulse recover made the record",
      fixture.manifest(killed).what, 1, true)
    assert.is_nil(plain.what:find("killed", 1, true))
    local found = fixture.manifest(fixture.run_in(folder .. "/experiment")).thresholds.found
    assert.are.same({ "%MSO", "this run" }, { found[1].unit, found[1].source })
    local plan = shell.read(fixture.run_in(folder .. "/plan") .. "/resolved.plan")
    assert.are.equal(shell.read(folder .. "/made.plan"), plan) -- as compile wrote it
  end)

  it("is found out where it is otherwise", function()
    if select(1, shell.sh(folder, "python3 -c 'import jsonschema'")) ~= 0 then
      return pending "python3-jsonschema is not installed (sh .ci/deps test)"
    end
    shell.write(folder .. "/made.lua", made)
    assert.are.equal(0, (shell.moonpulse(folder, ("run %s/made.lua --rmt 50 --speed max --out %s/runs")
      :format(folder, folder))))
    local good = shell.read(fixture.run_in(folder .. "/runs") .. "/manifest.json")
    local paths = {}
    for i, change in ipairs {
      function(text) return text:gsub('"seed": %d+,\n', "") end,
      function(text) return text:gsub('"unit": "%%MSO"', '"unit": "V"') end,
      function(text) return text:gsub('"kind": "protocol"', '"kind": "pulses"') end,
      function(text) return text:gsub('"what": ', '"flight": {}, "what": ') end,
      function(text) return text:gsub("sources/made.lua", "/home/kim/made.lua") end,
      function(text) return text:gsub('"started": "[^"]*"', '"started": "yesterday"') end,
      function(text) return text:gsub('\n  ("kind": [^\n]*)\n  ("status": [^\n]*)\n', "\n%2\n%1\n") end,
    } do
      paths[i] = ("%s/%d.json"):format(folder, i)
      local text = change(good)
      assert.are_not.equal(good, text, i)
      shell.write(paths[i], text)
    end
    local status, out = judged(paths)
    assert.are.equal(1, status)
    for i = 1, #paths do
      assert.matches(("/%d.json: "):format(i), out, 1, true)
    end
  end)

  it("has an order for every key that its schema has", function()
    local _, described = pcall(cjson.decode, shell.read(schema))
    local function empty(of, depth)
      if of.properties and depth < 4 then
        local value = {}
        for key, each in pairs(of.properties) do
          value[key] = empty(each, depth + 1)
        end
        return next(value) and value or { x = 1 }
      elseif of.items and of.items.properties then
        return { empty(of.items, depth + 1) }
      end
      return 1
    end
    local whole = empty(described, 0)
    whole.status = "running"
    shell.write(folder .. "/all.json", manifest_files.encode(whole))
    local _, out = judged { folder .. "/all.json" }
    for line in out:gmatch("[^\n]+") do
      assert.is_nil(line:find("stand in another order", 1, true), line)
    end
  end)

  it("takes of --meta only the keys that it knows, and says which", function()
    local function refused(text, pattern)
      shell.write(folder .. "/meta.json", text)
      local meta_read, message = metas.read(folder .. "/meta.json")
      assert.is_nil(meta_read)
      assert.matches(pattern, message)
    end
    refused('{"coli": "B65"}', '"coli" is not known %(coil%?%); known are coil, coil_shape, ')
    refused('{"coil": {"model": "B65"}}', "coil must be a text or a number")
    refused('{"coil": "a\\u001bb"}', "coil must be a text of at most")
    refused('["coil"]', "is no JSON object")
    refused('{"coil": ', "is no JSON object")
    refused('{\n  "coil": "B65",\n}\n', "is no JSON object.*: look at line 3, near character 20 of the file")
    shell.write(folder .. "/meta.json", '\xEF\xBB\xBF{"coil": "B65"}') -- as some editors begin a file
    assert.are.same({ coil = "B65" }, metas.read(folder .. "/meta.json"))
    local page = shell.read("docs/manifest.md")
    for _, each in ipairs(metas.keys) do
      assert.matches(("`%s`"):format(each[1]), page, 1, true)
    end
  end)

  it("counts another coil's shape of --meta against the tables, as --coil does", function()
    shell.write(folder .. "/made.lua", made)
    for shape, verdict in pairs { circular = "not covered", ["figure-of-eight"] = "within",
      ["figure-of-eight, 70 mm"] = "within", ["figure-of-eighty"] = "not covered" } do
      shell.write(folder .. "/meta.json", cjson.encode { coil_shape = shape })
      local out = ("%s/%s"):format(folder, (shape:gsub("%W", "")))
      assert.are.equal(0, (shell.moonpulse(folder, ("run %s/made.lua --rmt 50 --speed max "
        .. "--meta %s/meta.json --out %s"):format(folder, folder, out))))
      assert.are.equal(verdict, fixture.manifest(fixture.run_in(out)).safety.verdict, shape)
    end
  end)
end)
