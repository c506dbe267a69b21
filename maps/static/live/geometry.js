// Metres around a point, for drawing only: exact to a metre within a few kilometres.

const METRES_PER_DEGREE = 111320;

export const latlng = (feature) => {
  const [lon, lat] = feature.geometry.coordinates;
  return [lat, lon];
};

export function offset([lat, lon], eastM, northM) {
  const east = eastM / (METRES_PER_DEGREE * Math.cos((lat * Math.PI) / 180));
  return [lat + northM / METRES_PER_DEGREE, lon + east];
}

// Whether a place lies in a GeoJSON polygon: even-odd, so that holes are left out.
export function inside(rings, lon, lat) {
  let odd = false;
  for (const ring of rings) {
    for (let index = 1; index < ring.length; index += 1) {
      const [[fromLon, fromLat], [toLon, toLat]] = [ring[index - 1], ring[index]];
      if (fromLat > lat === toLat > lat) continue;
      if (lon < fromLon + ((lat - fromLat) / (toLat - fromLat)) * (toLon - fromLon)) odd = !odd;
    }
  }
  return odd;
}
