-- moonpulse export crate and export prov: records of a run that other programs read. The crate is read by
-- rdflib, hashes are compared with sha256sum.
local bids = require "bids"
local cjson = require "cjson"
local crates = require "moonpulse.provenance.crate"
local facts_of = require "moonpulse.provenance.facts"
local lfs = require "lfs"
local shell = require "shell"
local statements = require "moonpulse.provenance.statement"

describe("a run for other programs:", function()
  local folder, run, stopped

  setup(function()
    folder = shell.folder()
    run = bids.run(folder, "sici --rmt 40 --device sim:bistim")
    stopped = bids.run(folder, "itbs600 --amt 40 --fault drop@30")
  end)
  teardown(function() shell.remove(folder) end)

  --- A python that has rdflib; nil: none has.
  local function python()
    for _, name in ipairs { "python3", "/usr/bin/python3" } do
      if select(1, shell.sh(folder, name .. " -c 'import rdflib'")) == 0 then
        return name
      end
    end
  end

  it("the crate is what rdflib reads as a Process Run Crate, with each file", function()
    for i, path in ipairs { run, stopped } do
      local crate = folder .. "/crate" .. i
      local status, _, err = shell.moonpulse(folder, ("export crate %s -o %s --license %s"):format(path,
        crate,
        "https://creativecommons.org/publicdomain/zero/1.0/"))
      assert.are.equal(0, status, err)
      for name in lfs.dir(path) do
        if lfs.attributes(path .. "/" .. name, "mode") == "file" then
          assert.are.equal(shell.read(path .. "/" .. name), shell.read(("%s/%s/%s"):format(crate,
            path:match("[^/]+$"), name)))
        end
      end
      assert.are.equal(0, (shell.moonpulse(folder, ("verify %s/%s"):format(crate, path:match("[^/]+$")))))
      local name = python()
      if not name then
        return pending "python3-rdflib is not installed (sh .ci/deps test)"
      end
      local ended, out, why = shell.sh(folder, ("%s tests/helpers/check_crate.py %s"):format(name, crate))
      assert.are.equal(0, ended, out .. why)
      assert.matches("^%d+ triples, %d+ files", out)
    end
  end)

  it("what is wrong in a crate is found", function()
    local name = python()
    if not name then
      return pending "python3-rdflib is not installed (sh .ci/deps test)"
    end
    local crate = folder .. "/broken"
    assert.are.equal(0, (shell.moonpulse(folder, ("export crate %s -o %s"):format(run, crate))))
    local text = shell.read(crate .. "/" .. crates.name)
    for wanted, change in pairs {
      ["one CreateAction"] = { "\"CreateAction\"", "\"Action\"" },
      ["the instrument is software"] = { "\"SoftwareApplication\"", "\"Thing\"" },
      ["contentSize"] = { "\"contentSize\": \"(%d)", "\"contentSize\": \"9%1" },
      ["the parts are the files"] = { "/events.tsv\"\n        },\n", "/x.tsv\"\n        "
        .. "},\n" },
      ["no terms of the context: ['contentBytes']"] = { "\"contentSize\"", "\"contentBytes\"" },
      ["the action's http://schema.org/startTime"] = { "\"startTime\"", "\"begin\"" },
      ["the context"] = { "crate/1.3/context", "crate/1.2/context" },
    } do
      local changed, count = text:gsub(change[1], change[2], 1)
      assert.are.equal(1, count)
      shell.write(crate .. "/" .. crates.name, changed)
      local ended, out = shell.sh(folder, ("%s tests/helpers/check_crate.py %s"):format(name, crate))
      assert.are.equal(1, ended)
      assert.matches(wanted, out, 1, true)
    end
  end)

  it("a run that was stopped is an action that failed, with the reason", function()
    local graph = cjson.decode(crates.text(assert(facts_of.read(stopped)), "x"))["@graph"]
    local action
    for _, each in ipairs(graph) do
      action = each["@type"] == "CreateAction" and each or action
    end
    assert.are.same({ ["@id"] = "http://schema.org/FailedActionStatus" }, action.actionStatus)
    assert.matches("pulse 30 was not confirmed", action.error)
    assert.matches("^Simulated: no stimulator was connected", action.description)
    assert.matches("^#%x+%-%x+%-5%x%x%x%-[89ab]%x%x%x%-%x+$", action["@id"])
  end)

  it("the statement has the hashes that sha256sum has, and what went in", function()
    local status, out, err = shell.moonpulse(folder, ("export prov %s -o -"):format(run))
    assert.are.same({ 0, "" }, { status, err })
    local statement = cjson.decode(out)
    assert.are.same({ "https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1" },
      { statement._type, statement.predicateType })
    local definition, details = statement.predicate.buildDefinition, statement.predicate.runDetails
    local seen = {}
    for _, list in ipairs { statement.subject, definition.resolvedDependencies, details.byproducts } do
      for _, each in ipairs(list) do
        seen[each.name] = true
        local _, sum = shell.sh(folder, ("sha256sum < '%s/%s'"):format(run, each.name))
        assert.are.equal(sum:match("^%x+"), each.digest.sha256, each.name)
      end
    end
    assert.is_true(seen["events.tsv"] and seen["manifest.json"] and seen["resolved.plan"])
    assert.are.equal("resolved.plan", definition.resolvedDependencies[1].name)
    assert.are.same({ "sici", 40 }, { definition.externalParameters.protocol.id,
      definition.externalParameters.thresholds.rmt.value })
    assert.matches("^%d+%-%d+%-%d+T%d+:%d+:%d+Z$", details.metadata.startedOn)
    assert.matches("^urn:uuid:", details.metadata.invocationId)
    assert.are.same({ "urn:moonpulse:run:v2", "urn:moonpulse:0.1.0" }, { definition.buildType,
      details.builder.id })
  end)

  it("a signed statement is an envelope that ssh-keygen confirms, by bytes computed elsewhere", function()
    local place = folder .. "/envelopes"
    assert(lfs.mkdir(place))
    local function make(name)
      assert.are.equal(0, (shell.sh(folder, ("ssh-keygen -q -t ed25519 -N '' -C x -f %s/%s"):format(place,
        name))))
      return place .. "/" .. name
    end
    local key, other = make "key", make "other"
    local function signers(of)
      shell.write(of .. ".signers", ("signer namespaces=\"moonpulse-statement\" %s"):format(
        shell.read(of .. ".pub")))
      return of .. ".signers"
    end
    local status, out, err = shell.moonpulse(folder, ("export prov %s %s --sign %s --out %s"):format(run,
      stopped, key, place))
    assert.are.equal(0, status, out .. err)
    local path = ("%s/%s.dsse.json"):format(place, run:match "[^/]+$")
    local function check(envelope, by)
      return shell.sh(folder, ("python3 tests/helpers/check_dsse.py %s %s %s"):format(envelope, by, place))
    end
    local payload
    status, payload, err = check(path, signers(key))
    assert.are.equal(0, status, payload .. err)
    assert.are.equal(statements.text(assert(facts_of.read(run))), payload)
    assert.are.equal(1, (check(path, signers(other))))
    local text = shell.read(path) -- one digit of the payload
    local changed = text:gsub('("payload": "%w+)([A-Y])', function(before, digit)
      return before .. string.char(digit:byte() + 1)
    end, 1)
    assert.are_not.equal(text, changed)
    shell.write(place .. "/changed.json", changed)
    assert.are.equal(1, (check(place .. "/changed.json", signers(key))))
    for arguments, words in pairs {
      ["prov %s --sign nokey -o x.json"] = "--sign: nokey: there is no such key file",
      ["crate %s --sign x -o x"] = "--sign is of prov",
      ["bids %s --sign x --bids x --sub 01"] = "--sign is of prov" } do
      status, out, err = shell.moonpulse(folder, "export " .. arguments:format(run))
      assert.are.equal(2, status, out)
      assert.matches(words, err, 1, true)
    end
  end)

  it("the statement holds to the published rules, by a validator that is not ours; what is wrong is found",
    function()
    local paths, wrong = {}, {}
    local function write(text, what)
      paths[#paths + 1] = ("%s/statement.%d.json"):format(folder, #paths + 1)
      shell.write(paths[#paths], text)
      wrong[paths[#paths]] = what
    end
    for _, path in ipairs { run, stopped,
      (bids.run(folder, "tmseeg_sp --rmt 50 -p pulses=3 --seed 4")) } do
      local status, text, err = shell.moonpulse(folder, ("export prov %s -o -"):format(path))
      assert.are.equal(0, status, err)
      write(text)
      for _, change in ipairs {
        { "Statement/v1", "Statement/v0.1" }, { "provenance/v1", "provenance/v0.2" },
        { '"sha256": "%x', '"sha256": "X' }, { '"digest"', '"hash"' },
        { '"subject": %[.-%],\n  "predicateType"', '"subject": [],\n  "predicateType"' },
        { '"buildType"', '"build_type"' }, { '"buildType": "urn:[^"]*', '"buildType": "a run' },
        { '"externalParameters"', '"parameters"' }, { '"id": "urn:[^"]*', '"id": "Moonpulse 0.1' },
        { '("startedOn": ".-)Z"', '%1+00:00"' }, { '"runDetails"', '"run"' },
        { '"invocationId": "', '"invocationID": "' },
      } do
        local changed, count = text:gsub(change[1], change[2], 1)
        assert.are.equal(1, count, change[1])
        write(changed, change[1])
      end
    end
    local status, out, err = shell.sh(folder, "python3 tests/helpers/check_schema.py --any-order "
      .. "tests/helpers/in_toto_statement.schema.json " .. table.concat(paths, " "))
    assert.are.equal(1, status, out .. err)
    local said = {}
    for path, problem in out:gmatch "(%S+): ([^\n]*)\n" do
      said[path] = (said[path] or "") .. problem
    end
    assert.are.equal(3 * 13, #paths)
    for _, path in ipairs(paths) do -- nothing of one that is right, something of each that is wrong
      assert.are.equal(wrong[path] ~= nil, said[path] ~= nil, wrong[path] or said[path])
    end
  end)

  it("two at once to one place are one, whole, and the other is told", function()
    for format, place in pairs { crate = "at-once", prov = "at-once.json" } do
      local status, out = shell.sh(folder, ([[for of in %s %s %s %s; do
        { %s export %s $of -o %s/%s >/dev/null 2>&1; echo $?; } & done; wait]]):format(run, stopped, run,
        stopped, shell.quote(shell.program), format, folder, place))
      assert.are.equal(0, status)
      assert.are.equal(1, select(2, out:gsub("%f[%w]0\n", "")), out)
      assert.are.equal(3, select(2, out:gsub("%f[%w]2\n", "")), out)
    end
    assert.are.equal(2, #shell.names(folder .. "/at-once")) -- the folder of one run, and the crate's file
    for _, name in ipairs(shell.names(folder)) do
      assert.is_nil(name:find "%.part$", name)
    end
  end)

  it("neither names the participant; the crate the operator, by the code", function()
    local facts = assert(facts_of.read(run))
    assert.is_nil(statements.text(facts):find("KIM", 1, true))
    assert.is_nil(statements.text(facts):find("OPA", 1, true))
    assert.is_nil(crates.text(facts, "x"):find("KIM", 1, true))
    assert.matches("\"#operator\"", crates.text(facts, "x"))
  end)

  it("times are told in UTC", function()
    assert.are.equal("2026-11-27T20:50:38Z", statements.utc("2026-11-27T20:50:38.844212+00:00"))
    assert.are.equal("2024-02-29T23:30:00Z", statements.utc("2024-03-01T01:00:00+01:30"))
    assert.are.equal("2027-01-01T01:00:00Z", statements.utc("2026-12-31T20:00:00-05:00"))
    assert.is_nil(statements.utc(nil))
  end)

  it("nothing is written over, and what is no run is named", function()
    local full = folder .. "/full"
    lfs.mkdir(full)
    shell.write(full .. "/x", "")
    for arguments, wanted in pairs {
      [("export crate %s -o %s"):format(run, full)] = "has files: name a new folder",
      [("export crate %s -o %s/new"):format(full, folder)] = "has no manifest.json that can be read: is it",
      [("export prov %s %s -o %s/one"):format(run, stopped, folder)] = "%-%-out DIR names the folder",
      [("export prov %s %s -o -"):format(run, stopped)] = "%-%-out DIR names the folder",
      [("export crate %s -o %s/one --out %s"):format(run, folder, folder)] = "leave one of them out",
      [("export prov %s -o %s/x"):format(run, full)] = "full/x is there already",
      [("export prov %s %s --out %s/x"):format(run, stopped, full)] = "full/x is no folder",
      [("export crate %s -o -"):format(run)] = "a crate is a folder",
      [("export bids %s --bids %s/new --sub 01 --out %s"):format(run, folder, full)] = "named by %-%-bids "
        .. "alone",
      ["export bids " .. run] = "%-%-bids is missing",
    } do
      local status, out, err = shell.moonpulse(folder, arguments)
      assert.are.same({ 2, "" }, { status, out })
      assert.matches(wanted, err)
    end
    assert.are.equal("", shell.read(full .. "/x"))
    assert.are.same({ "x" }, shell.names(full))
    assert.is_nil(lfs.attributes(folder .. "/new", "mode") or lfs.attributes(folder .. "/one", "mode"))
  end)

  it("several runs each get what one gets, by the name of its folder", function()
    for format, ending in pairs { crate = ".crate", prov = ".intoto.json" } do
      local out_folder = folder .. "/many_" .. format
      local status, out, err = shell.moonpulse(folder, ("export %s %s %s/ --out %s/"):format(format, run,
        stopped, out_folder))
      assert.are.same({ 0, "" }, { status, err })
      local wanted = {}
      for _, path in ipairs { run, stopped } do
        local name = path:match("[^/]+$") .. ending
        wanted[#wanted + 1] = name
        assert.matches(out_folder .. "/" .. name .. ": ", out, 1, true)
        local alone = folder .. "/alone" .. name
        assert.are.equal(0, (shell.moonpulse(folder, ("export %s %s -o %s"):format(format, path, alone))))
        assert.are.same({ 0, "", "" }, { shell.sh(folder, ("diff -r %s %s/%s"):format(alone, out_folder,
          name)) })
      end
      table.sort(wanted)
      local names = shell.names(out_folder)
      table.sort(names)
      assert.are.same(wanted, names)
    end
  end)

  it("of several runs, what cannot be exported is named, and the others are exported", function()
    local other = folder .. "/other"
    lfs.mkdir(other)
    assert.are.equal(0, (shell.sh(folder, ("cp -a %s %s"):format(stopped, other))))
    local same_name = other .. "/" .. stopped:match("[^/]+$")
    lfs.mkdir(folder .. "/empty")
    for format, made in pairs { crate = ".crate/ro-crate-metadata.json", prov = ".intoto.json" } do
      local into = folder .. "/some_" .. format
      local taken = ("%s/%s%s"):format(into, run:match("[^/]+$"), made)
      assert.are.equal(0, (shell.sh(folder, ("mkdir -p $(dirname %s) && echo mine > %s"):format(taken,
        taken))))
      local status, out, err = shell.moonpulse(folder, ("export %s --json %s %s/nosuch %s/empty %s %s "
        .. "--out %s"):format(format, run, folder, folder, stopped, same_name, into))
      assert.are.equal(2, status)
      assert.are.equal("mine\n", shell.read(taken))
      local object = cjson.decode(out)
      assert.are.equal(into, object.output)
      for i, wanted in ipairs { "nothing is written over", "there is no run", "has no manifest.json", false,
        "nothing is written over" } do
        local each = object.runs[i]
        if wanted then
          assert.matches(wanted, each.message, 1, true)
          assert.matches("moonpulse: not exported: " .. each.message, err, 1, true)
          assert.is_nil(each.output)
        else
          assert.are.equal(stopped, each.run)
          assert.is_string(shell.read(("%s/%s%s"):format(into, stopped:match("[^/]+$"), made)))
        end
      end
      assert.matches("4 of 5 runs not exported", err, 1, true)
      assert.are.equal(2, #shell.names(into))
    end
  end)

  it("a file that cannot be written is status 4, and what is half there is said", function()
    local into = folder .. "/short"
    local status, _, err = shell.sh(folder, ("ulimit -f 1; trap '' XFSZ; exec %s export crate %s nosuch "
      .. "--out %s"):format(shell.quote(shell.program), run, into))
    assert.are.equal(4, status)
    assert.matches("cannot write " .. into, err, 1, true)
    assert.matches(".crate is not whole: remove it and export again", err, 1, true)
    assert.is_nil(shell.read(("%s/%s.crate/%s"):format(into, run:match("[^/]+$"), crates.name)))
  end)
end)
