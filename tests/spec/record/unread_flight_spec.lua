--- A torn run whose flight record cannot be read: what may be read later closes nothing, and what is found
--- again is used.
local cjson = require "cjson"
local fixture = require "job"
local recover_run = require("moonpulse.record.recover").run
local shell = require "shell"

describe("a torn run whose flight record cannot be read", function()
  local folder, run, flight, events, manifest

  setup(function()
    folder = shell.folder()
    shell.write(folder .. "/six.lua", 'local mp = require "moonpulse"\nreturn mp.protocol { id = "six", '
      .. 'name = "Six", plan = function() return mp.train { pulses = 6, every = 0.2, '
      .. 'intensity = mp.mso(40) } end }')
    local status, _, err = shell.moonpulse(folder, ("run %s/six.lua --tolerance 500 --out %s/runs"):format(
      folder, folder))
    assert.are.equal(0, status, err)
    run = fixture.run_in(folder .. "/runs")
    flight, events = shell.read(run .. "/flight.bin"), shell.read(run .. "/events.tsv")
    local torn = fixture.manifest(run)
    torn.status, torn.result = "running", nil
    manifest = cjson.encode(torn)
  end)

  teardown(function()
    shell.remove(folder)
  end)

  -- as it was killed: the last two rows are in flight.bin only
  before_each(function()
    shell.sh(folder, ("rm -rf %s/flight.bin %s/events.tsv.replaced*"):format(run, run))
    shell.write(run .. "/flight.bin", flight)
    shell.write(run .. "/events.tsv", (events:gsub("[^\n]+\n[^\n]+\n$", "")))
    shell.write(run .. "/manifest.json", manifest)
  end)

  local function recover()
    local status, out, err = shell.moonpulse(folder, "recover " .. run)
    return status, out .. err
  end

  local function assert_whole()
    local result = fixture.manifest(run).result
    assert.are.same({ 6, 6 }, { result.pulses_sent, result.pulses_confirmed })
    assert.is_nil(result.flight_lost)
    assert.are.equal(6, select(2, shell.read(run .. "/events.tsv"):gsub("\tdelivered\t", "")))
  end

  local unread = {
    ["of a Moonpulse that is not written yet"] = function()
      shell.write(run .. "/flight.bin", flight:sub(1, 16) .. "\9" .. flight:sub(18, 64)
        .. ("<I8"):pack(1) .. flight:sub(73))
    end,
    ["where a mount is away"] = function()
      shell.sh(folder, ("rm %s/flight.bin && ln -s %s/away %s/flight.bin"):format(run, folder, run))
    end,
    ["where nobody can follow its link"] = function()
      shell.sh(folder, ("rm %s/flight.bin && ln -s flight.bin %s/flight.bin"):format(run, run))
    end,
  }
  for what, make in pairs(unread) do
    it("is refused and stays torn " .. what, function()
      make()
      local before = shell.read(run .. "/events.tsv")
      local status, said = recover()
      assert.are.equal(2, status, said)
      assert.matches("nothing is changed: mend that and recover again", said, 1, true)
      assert.matches("move flight.bin out of the folder", said, 1, true)
      assert.are.equal(manifest, shell.read(run .. "/manifest.json"))
      assert.are.equal(before, shell.read(run .. "/events.tsv"))
      shell.sh(folder, ("rm -f %s/flight.bin"):format(run))
      shell.write(run .. "/flight.bin", flight)
      status, said = recover()
      assert.are.equal(0, status, said)
      assert_whole()
    end)
  end

  for what, leave in pairs { ["gone"] = false, ["empty"] = "", ["another file"] = ("x"):rep(5000) } do
    it("is closed with what events.tsv has where it is " .. what .. ", until it is found again", function()
      os.remove(run .. "/flight.bin")
      os.remove(run .. "/events.json")
      if leave then
        shell.write(run .. "/flight.bin", leave)
      end
      local status, said = recover()
      assert.are.equal(0, status, said)
      local result = fixture.manifest(run).result
      assert.are.same({ 4, 2, true }, { result.pulses_sent, result.pulses_unknown, result.flight_lost })
      local described = cjson.decode((assert(shell.read(run .. "/events.json"))))
      assert.are.equal("Trains without a label", described.trial_type.Levels.train)
      status, said = recover()
      assert.are.equal(2, status, said)
      assert.matches("there is nothing to recover", said, 1, true)
      shell.write(run .. "/flight.bin", flight)
      status, said = recover()
      assert.are.equal(0, status, said)
      assert_whole()
      assert.are.equal(2, (recover()))
    end)
  end

  it("is closed without a last row that the kill tore, wherever it did, and says what stood there", function()
    local whole = events:gsub("[^\n]+\n[^\n]+\n$", "")
    local last = whole:match("[^\n]+\n$")
    for _, left in ipairs { #last - 1, #last - 2, #last // 2, 1 } do -- bytes of it
      os.remove(run .. "/flight.bin")
      shell.write(run .. "/manifest.json", manifest)
      shell.sh(folder, ("rm -f %s/SHA256SUMS %s/report.html"):format(run, run))
      shell.write(run .. "/events.tsv", whole:sub(1, #whole - #last) .. last:sub(1, left))
      local status, said = recover()
      assert.are.equal(0, status, said)
      assert.are.equal(whole:sub(1, #whole - #last), shell.read(run .. "/events.tsv"))
      local wanted = ('events.tsv: its last row was torn as the record was closed, and is cut: "%s"'):format(
        (last:sub(1, left):gsub("\t", "  ")))
      assert.matches(wanted, said, 1, true)
      local result = fixture.manifest(run).result
      assert.are.same({ 3, 3 }, { result.pulses_sent, result.pulses_unknown }) -- none is lost
      assert.matches(wanted, table.concat(result.damage, "\n"), 1, true)
      local _, found = shell.moonpulse(folder, "verify " .. run .. " --json")
      for _, each in ipairs(cjson.decode(found).differs) do
        assert.are_not.equal("events.tsv", each.file, each.text)
      end
    end
  end)

  it("keeps its events.tsv where the new one does not come into its place", function()
    local rename = os.rename
    local function fails(from, to)
      if from == run .. "/events.tsv.new" then
        return nil, "no room"
      end
      return rename(from, to)
    end
    shell.write(run .. "/flight.bin", flight:sub(1, 4096 + 64 * 5)) -- events.tsv has more
    local before = shell.read(run .. "/events.tsv")
    finally(function() os.rename = rename end) -- luacheck: ignore 122
    os.rename = fails -- luacheck: ignore 122
    local summary, message = recover_run(run, nil, function() end)
    os.rename = rename -- luacheck: ignore 122
    assert.is_nil(summary)
    assert.matches("events.tsv cannot be written, and is as it was: no room", message, 1, true)
    assert.are.equal(before, shell.read(run .. "/events.tsv"))
    assert.are.equal(manifest, shell.read(run .. "/manifest.json"))
    assert.are.same({}, { shell.read(run .. "/events.tsv.new") or shell.read(run .. "/events.tsv.replaced") })
    local status, said = recover()
    assert.are.equal(0, status, said)
    assert.matches("it is kept as ", said, 1, true)
    assert.are.equal(before, shell.read(run .. "/events.tsv.replaced"))
  end)
end)
